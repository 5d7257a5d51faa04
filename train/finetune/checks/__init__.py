"""What chats are looked at for before they are learnt: rules that only tell, or drop."""
