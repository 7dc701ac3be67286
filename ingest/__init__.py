"""The reports that come with the program, one folder each: text, outline and reader questions."""
