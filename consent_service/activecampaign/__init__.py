"""The account at ActiveCampaign: what is read and done there, and what is kept here until it is."""
