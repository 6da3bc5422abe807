"""Holding the list at ActiveCampaign against the people here."""
