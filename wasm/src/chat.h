// Chat templates: the Jinja text in the GGUF, rendered by llama.cpp's own engine.
#pragma once

#include <string>
#include <vector>

// A piece of a rendered chat. typed: a message's words, in which no special token is looked for.
struct ChatPart {
    std::string text;
    bool        typed;
};

// Messages: JSON [{"role", "content"}]. Throws std::exception for a template that is not valid or that refuses.
std::vector<ChatPart> render_chat(const std::string & chat_template, const std::string & messages_json,
                                  const std::string & bos, const std::string & eos);
