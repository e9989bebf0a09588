"""What peers.py is made of: cases, contenders in processes of their own, reports."""
