// Asks with Java's own HttpClient.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.regex.Pattern;

class HttpClientApp {
    // Java has no JSON of its own; this finds a string that is not empty.
    private static final Pattern CONTENT =
            Pattern.compile("\"content\":\\s*(\"(?:[^\"\\\\]|\\\\.)+\")");

    public static void main(String[] arguments) throws Exception {
        boolean streamed = arguments[0].equals("stream");
        String more = streamed
                ? ", \"stream\": true, \"standin\": {\"gate\": \"" + arguments[1] + "\"}"
                : "";
        HttpRequest request = HttpRequest
                .newBuilder(URI.create("https://api.openai.com/v1/chat/completions"))
                .header("Authorization", "Bearer " + System.getenv("OPENAI_API_KEY"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(
                        "{\"model\": \"gpt-4o\", \"messages\": "
                                + "[{\"role\": \"user\", \"content\": \"hello there\"}]"
                                + more + "}"))
                .build();
        var response = HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.ofLines());
        if (response.statusCode() != 200) {
            throw new IllegalStateException("status " + response.statusCode());
        }
        response.body().forEach(line -> {
            var content = CONTENT.matcher(line);
            while (content.find()) {
                String piece = content.group(1);
                System.out.println(streamed ? piece : piece.substring(1, piece.length() - 1));
            }
        });
    }
}
