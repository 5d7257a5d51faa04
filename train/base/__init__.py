"""The English Llama that everything starts from."""
