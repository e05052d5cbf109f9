"""What a browser calls: the stack `edge`, in front of the upload worker's sessions."""
