"""How much each input column of each matrix matters: measured on text, kept in llama.cpp's imatrix file."""
