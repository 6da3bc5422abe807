"""The company's customers, their documents and their spreadsheets."""
