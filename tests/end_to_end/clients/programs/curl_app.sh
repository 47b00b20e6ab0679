# Asks with curl, and prints the body as it comes.

more=
[ "$1" = stream ] && more=', "stream": true, "standin": {"gate": "'$2'"}'

exec curl --silent --show-error --fail-with-body --no-buffer \
    https://api.openai.com/v1/chat/completions \
    -H "Content-Type: application/json" \
    -H "Authorization: Bearer $OPENAI_API_KEY" \
    -d '{
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "hello there"}]'"$more"'
    }'
