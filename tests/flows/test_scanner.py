"""Mail gateways open every link. Nothing they open may change anything."""

from tests.actors import Scanner, Staff, Visitor, fi


def test_opening_every_link_of_every_mail_changes_no_table(house):
    heidi = Staff(house)
    heidi.log_in()
    pending, active, passive = (Visitor(house, f"{name}@example.com") for name in ("pending", "active", "passive"))
    active.becomes_active()
    passive.becomes_active()
    passive.leave()
    pending.subscribe()
    active.subscribe()
    passive.subscribe()
    heidi.add("added@example.com")
    house.get("/unsubscribe?lang=fi").press(fi("Send me the link"), email=active.email)
    house.deliver()
    mails = house.mail.mails
    assert {len(mail.links) > 0 for mail in mails} == {True}

    before = house.everything()
    opened = Scanner(house).open_everything(mails)
    assert opened >= 8
    assert house.everything() == before

    for person in (pending, passive):
        assert person.confirm().status == 200, "what a scanner opened still works for the person"
