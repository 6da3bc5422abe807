"""Words that several pages of staff share, by the value they stand for in the database.

Message ids, translated where they are shown; what one page alone says stands beside that page. Contains no rule.
"""

from consent_service.language import mark

GROUPS = {
    "pending": mark("Unconfirmed people"),
    "active": mark("Active subscribers"),
    "passive": mark("Passive subscribers"),
}
