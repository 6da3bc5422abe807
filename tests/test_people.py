"""Names and addresses: what is taken, how it is matched, and that nothing a stranger types breaks anything."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent_service.people import Address, AddressRefused, NameRefused, plain_lines, read_address, read_name

steady = settings(derandomize=True, deadline=None, max_examples=300)
ANYTHING = st.text(st.characters(), max_size=300)  # lone surrogates, controls and unassigned ones too
LOCAL = st.text("abcXYZ019.!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=70)
LABEL = st.text(st.sampled_from("abcXYZ019-äöåßÀéİıΣςжя中あ\u200d\u0301"), min_size=1, max_size=70)
NEARLY = st.builds(lambda local, labels: f"{local}@{'.'.join(labels)}", LOCAL, st.lists(LABEL, min_size=1, max_size=6))


def taken(read, text):
    """What was made of a text, or None when it was refused; any other exception is a fault."""
    try:
        return read(text)
    except (AddressRefused, NameRefused):
        return None


# Addresses


@steady
@given(ANYTHING | NEARLY)
@example("\ud800@example.com")
@example("a@\udfff.com")
@example("\x00@example.com")
@example("a@example.com\x00")
@example("a@" + "a." * 5000 + "com")
@example("a" * 10_000 + "@example.com")
@example("a@xn--a.com")
@example("a@xn--" + "9" * 60 + ".com")
@example("a@[127.0.0.1]")
@example("a@\u202emoc.elpmaxe")
@example("@" * 10_000)
@example("\u0130@\u0130.com")
def test_an_address_is_taken_in_a_normal_form_or_refused(text):
    address = taken(read_address, text)
    if address is None:
        return
    for form in (address.email, address.key):
        assert form.isascii()
        assert form.isprintable()
        assert form.count("@") == 1
        assert len(form) <= 254
        assert not set(form) & set(' \t\r\n\0<>,;:"()[]\\')
    assert len(address.email.partition("@")[0]) <= 64
    assert address.key == address.email.lower()


@steady
@given(NEARLY)
@example("Aino.Makela+Uutiset@PÄÄSKYNEN.example.com")
@example("a@straße.de")
@example("a@ΣΑΣ.example.com")
def test_reading_a_normal_form_again_changes_nothing(text):
    address = taken(read_address, text)
    if address is not None:
        assert read_address(address.email) == address
        assert read_address(address.key).key == address.key
        assert read_address(f"  {address.email}\n") == address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("Aino@Example.COM", Address("Aino@example.com", "aino@example.com", "aino@example.com")),
        (" aino@example.com\u00a0", Address("aino@example.com", "aino@example.com", "aino@example.com")),
        ("A.i.n.o+x+y@example.com", Address("A.i.n.o+x+y@example.com", "a.i.n.o+x+y@example.com", "aino@example.com")),
        (
            "aino@Pa\u0308a\u0308sky.example.com",
            Address(
                "aino@xn--psky-loaa.example.com", "aino@xn--psky-loaa.example.com", "aino@xn--psky-loaa.example.com"
            ),
        ),
        ("o'brien@example.com", Address("o'brien@example.com", "o'brien@example.com", "o'brien@example.com")),
    ],
)
def test_spelling_is_kept_matching_ignores_case_and_limits_ignore_dots_and_tags(typed, address):
    assert read_address(typed) == address


def test_dots_and_tags_are_never_folded_for_identity():
    assert len({read_address(f"{local}@example.com").key for local in ("aino", "a.ino", "aino+1", "aino+2")}) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "aino",
        "@example.com",
        "aino@",
        "aino@example",
        "aino@@example.com",
        "a@b@example.com",
        "aino@example.com, eero@example.com",
        "aino@example.com;eero@example.com",
        "aino@example.com eero@example.com",
        "Aino <aino@example.com>",
        "<aino@example.com>",
        '"a b"@example.com',
        "aino(comment)@example.com",
        "aino@[127.0.0.1]",
        "aino@example..com",
        "aino@-example.com",
        "aino@example.com.",
        ".aino@example.com",
        "aino.@example.com",
        "ai..no@example.com",
        "äinö@example.com",
        "ai no@example.com",
        "ai\u200dno@example.com",
        "ai\u202eno@example.com",
        "aino\uff20example.com",
        "aino@exam\u200bple.com",
        "aino@example.com\r\nBcc: eero@example.com",
        "aino@example.com\nX: y",
        "aino\x00@example.com",
        "mailto:aino@example.com",
        "a" * 65 + "@example.com",
        "a@" + ".".join(["a" * 63] * 4) + ".com",
        "a@" + "a" * 64 + ".com",
    ],
)
def test_what_is_not_exactly_one_address_is_refused(text):
    with pytest.raises(AddressRefused):
        read_address(text)


def test_the_longest_address_that_mail_can_carry_is_taken():
    local, domain = "a" * 64, ".".join(["b" * 63, "b" * 63, "b" * 57, "com"])
    assert len(f"{local}@{domain}") == 254
    assert read_address(f"{local}@{domain}").email == f"{local}@{domain}"
    with pytest.raises(AddressRefused):
        read_address(f"{local}@b{domain}")


# Names

WALES = "Nia 🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"


@steady
@given(ANYTHING | st.text("aä\u0301\u200d\u200c \u00a0\u3000\u0958ﬃ👩🇫", max_size=130))
@example("\ud800")
@example("A" * 10_000)
@example("\u0958" * 60)
@example(" \u0301 ")
def test_a_name_is_taken_trimmed_and_composed_or_refused(text):
    name = taken(read_name, text)
    if name is None:
        return
    assert 1 <= len(name) <= 100
    assert name == name.strip() == unicodedata.normalize("NFC", name)
    assert read_name(name) == name
    name.encode()
    assert not [letter for letter in name if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Aino  ", "Aino"),
        ("A\u0308iti", "Äiti"),
        ("Anna Maija", "Anna Maija"),
        ("O'Brien-Åström", "O'Brien-Åström"),
        ("José María", "José María"),
        ("محمد", "محمد"),
        ("李小龍", "李小龍"),
        ("👩\u200d👩\u200d👧 Perhe", "👩\u200d👩\u200d👧 Perhe"),
        ("क्\u200dष", "क्\u200dष"),
        (WALES, WALES),
        ("=1+1", "=1+1"),
        ("<script>", "<script>"),
        ("Z" + "\u0337" * 40, "Z" + "\u0337" * 40),
        ("a" * 100, "a" * 100),
    ],
)
def test_names_of_all_peoples_are_taken(typed, name):
    assert read_name(typed) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u00a0\u3000",
        "A\x00",
        "A\tB",
        "A\nB",
        "Aino\r\nBcc: eero@example.com",
        "A\x1b[31m",
        "A\x7fB",
        "A\x85B",
        "A\u2028B",
        "A\u2029B",
        "A\u202eB",
        "A\u2066B\u2069",
        "\u200fA",
        "A\u200bB",
        "A\ufeffB",
        "A\u00adB",
        "A\ud800",
        "\udfffA",
        "A\ue000",
        "\u200d",
        "\u200c \u200d",
        "\u3164",
        "\u2800 \u2800",
        "\u115f\u1160",
        "\uffa0",
        "\u034f\ufe0f",
        "\U000e0100",
        "\U0001d159",
        "\u0301",
        "a" * 101,
        "\u0958" * 51,
    ],
)
def test_names_that_hide_something_or_are_none_are_refused(text):
    with pytest.raises(NameRefused):
        read_name(text)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" a\r\nb\rc\n\n", "a\nb\nc"),
        ("a\tb", "a\tb"),
        ("a\x00b\x1b[31mc\x7f\x85d", "a b [31mc  d"),
        ("a\u2028b", "a\nb"),
        ("\x00 \n", ""),
    ],
)
def test_lines_of_text_keep_their_breaks_and_hold_nothing_unseen(typed, kept):
    assert plain_lines(typed) == kept
