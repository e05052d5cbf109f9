"""E-mail, by Amazon SES."""
