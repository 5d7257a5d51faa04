#include "chat.h"

#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"
#include "json.h"

std::string render_chat(const std::string & chat_template, const std::string & messages_json,
                        const std::string & bos, const std::string & eos) {
    jinja::lexer lexer;
    const auto   tokens  = lexer.tokenize(chat_template);
    auto         program = jinja::parse_from_tokens(tokens);

    common_json input = common_json::object();
    input["messages"] = common_json::parse(messages_json);
    input["bos_token"] = bos;
    input["eos_token"] = eos;
    input["add_generation_prompt"] = true;

    jinja::context context(tokens.source);
    jinja::global_from_json(context, input, /* mark_input */ false);
    jinja::runtime runtime(context);
    return jinja::runtime::gather_string_parts(runtime.execute(program))->as_string().str();
}
