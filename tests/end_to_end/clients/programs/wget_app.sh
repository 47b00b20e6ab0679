# Asks with wget, and prints the body as it comes.

more=
[ "$1" = stream ] && more=', "stream": true, "standin": {"gate": "'$2'"}'

exec wget --no-verbose --output-document=- \
    https://api.openai.com/v1/chat/completions \
    --header="Content-Type: application/json" \
    --header="Authorization: Bearer $OPENAI_API_KEY" \
    --post-data='{
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "hello there"}]'"$more"'
    }'
