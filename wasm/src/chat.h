// Chat templates: the Jinja text in the GGUF, rendered by llama.cpp's own engine.
#pragma once

#include <string>

// Messages: JSON [{"role", "content"}]. Throws std::exception for a template that is not valid or that refuses.
std::string render_chat(const std::string & chat_template, const std::string & messages_json,
                        const std::string & bos, const std::string & eos);
