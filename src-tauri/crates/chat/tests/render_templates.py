"""Renders conversations with chat templates as transformers does, for `templates.rs`.

    python render_templates.py FOLDER < conversations.json > rendered.json

FOLDER holds *.jinja. Reads {"special_tokens": {...}, "conversations": [[conversation, add_generation_prompt], ...]}, where a
conversation is a list of messages or an object with "messages", "tools" and "chat_template_kwargs", and writes {template: [rendered text, or null where the template fails, ...]}. Needs transformers 5 and Jinja2.
"""

import json
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

asked = json.load(sys.stdin)


def render(template, conversation, add_generation_prompt):
    said = conversation if isinstance(conversation, dict) else {"messages": conversation}
    try:
        rendered, _ = render_jinja_template(
            [said["messages"]],
            tools=said.get("tools"),
            chat_template=template,
            add_generation_prompt=add_generation_prompt,
            **{**asked["special_tokens"], **said.get("chat_template_kwargs", {})},
        )
        return rendered[0]
    except Exception as error:
        print(f"{error}", file=sys.stderr)
        return None


json.dump(
    {
        path.name: [render(path.read_text(encoding="utf-8"), *conversation) for conversation in asked["conversations"]]
        for path in sorted(Path(sys.argv[1]).glob("*.jinja"))
    },
    sys.stdout,
)
