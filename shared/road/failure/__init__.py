"""What a failure means for its message: judged, counted, waited out. A message that succeeds at once never comes here."""
