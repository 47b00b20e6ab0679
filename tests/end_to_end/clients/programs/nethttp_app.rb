# Asks with Ruby's net/http.

require "json"
require "net/http"

mode, gate = ARGV
uri = URI("https://api.openai.com/v1/chat/completions")
body = { model: "gpt-4o", messages: [{ role: "user", content: "hello there" }] }
body.update(stream: true, standin: { gate: gate }) if mode == "stream"
headers = {
  "Authorization" => "Bearer #{ENV.fetch("OPENAI_API_KEY")}",
  "Content-Type" => "application/json"
}

Net::HTTP.start(uri.host, uri.port, use_ssl: true) do |http|
  request = Net::HTTP::Post.new(uri, headers)
  request.body = body.to_json
  http.request(request) do |response|
    response.value # raises unless it is a success
    if mode == "stream"
      rest = +""
      response.read_body do |data|
        rest << data
        while (line = rest.slice!(/\A.*\n/))
          next unless line.start_with?("data: ") && line != "data: [DONE]\n"

          JSON.parse(line.delete_prefix("data: "))["choices"].each do |choice|
            piece = choice["delta"]["content"]
            next if piece.nil? || piece.empty?

            puts piece.to_json
            $stdout.flush
          end
        end
      end
    else
      puts JSON.parse(response.read_body)["choices"][0]["message"]["content"]
    end
  end
end
