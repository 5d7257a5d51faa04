#include "chat.h"

#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"
#include "json.h"

#include <stdexcept>

namespace {

// Private use characters around a message's number, as in lilm/chat/rendering.py.
const char * const MARK = "\xEE\x83\xB0";
std::string        mark(size_t at) { return MARK + std::to_string(at) + "\xEE\x83\xB1"; }


// As `split_at_marks` there, in its words.
[[noreturn]] void fail_misplaced() { throw std::runtime_error("it drops, repeats or moves messages"); }

std::vector<ChatPart> render(const std::string & chat_template, const common_json & messages, const std::string & bos,
                             const std::string & eos) {
    jinja::lexer lexer;
    const auto   tokens  = lexer.tokenize(chat_template);
    auto         program = jinja::parse_from_tokens(tokens);

    common_json input = common_json::object();
    input["messages"] = messages;
    input["bos_token"] = bos;
    input["eos_token"] = eos;
    input["add_generation_prompt"] = true;

    jinja::context context(tokens.source);
    jinja::global_from_json(context, input, /* mark_input */ false);
    // Words alone, not roles: '<|' + message['role'] + '|>' can be a special token.
    for (const auto & message : context.get_val("messages")->as_array()) {
        for (const auto & [key, value] : message->as_ordered_object()) {
            auto * words = dynamic_cast<jinja::value_string_t *>(value.get());
            if (words && key->as_string().str() == "content") {
                words->mark_input();
            }
        }
    }
    jinja::runtime        runtime(context);
    const auto            written = jinja::runtime::gather_string_parts(runtime.execute(program));
    std::vector<ChatPart> parts;
    for (const auto & part : written->val_str.parts) {
        parts.push_back({ part.val, part.is_input });
    }
    return parts;
}

std::string text_of(const std::vector<ChatPart> & parts, bool typed_too) {
    std::string text;
    for (const auto & part : parts) {
        if (typed_too || !part.typed) {
            text += part.text;
        }
    }
    return text;
}

}  // namespace

std::vector<ChatPart> render_chat(const std::string & chat_template, const std::string & messages_json,
                                  const std::string & bos, const std::string & eos) {
    const common_json messages = common_json::parse(messages_json);
    common_json       marked   = messages;
    for (size_t at = 0; at < marked.size(); at++) {
        marked[at]["content"] = mark(at);
    }
    // What the template itself writes, whatever it does with the words: they are not in it.
    std::string           rest = text_of(render(chat_template, marked, bos, eos), true);
    std::string           own;
    std::vector<ChatPart> around;
    for (size_t at = 0; at < marked.size(); at++) {
        const size_t found = rest.find(mark(at));
        if (found == std::string::npos) {
            fail_misplaced();
        }
        around.push_back({ rest.substr(0, found), false });
        around.push_back({ messages[at]["content"].get<std::string>(), true });
        own += rest.substr(0, found);
        rest.erase(0, found + mark(at).size());
    }
    around.push_back({ rest, false });
    own += rest;
    if (own.find(MARK) != std::string::npos) {
        fail_misplaced();
    }
    // llama.cpp's engine follows words through a template, which may trim them, but loses them when one joins lists.
    const auto followed = render(chat_template, messages, bos, eos);
    return text_of(followed, false) == own ? followed : around;
}
