"""How the server speaks: the words of the closed lists, the language, the order of names."""
