"""What a program tells the launcher that started it."""
