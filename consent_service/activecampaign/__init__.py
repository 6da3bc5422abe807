"""The account at ActiveCampaign: what is read there, what is done there, and in what order."""
