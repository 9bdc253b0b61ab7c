// Sends a message with a file. POSTROOM_TOKEN holds the token; Java 17, run with: java Send.java
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.UUID;

public class Send {
    private static final String BOUNDARY = "postroom-" + UUID.randomUUID();

    public static void main(String[] args) throws Exception {
        BodyPublisher message = BodyPublishers.concat(
            text("to", "anna@example.org"),
            text("subject", "Report"),
            text("text", "The report is attached."),
            head("Content-Disposition: form-data; name=\"attachments\"; filename=\"report.pdf\"\r\nContent-Type: application/pdf"),
            BodyPublishers.ofFile(Path.of("report.pdf")),
            BodyPublishers.ofString("\r\n--" + BOUNDARY + "--\r\n"));
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:3000/api/v1/messages"))
            .header("Authorization", "Bearer " + System.getenv("POSTROOM_TOKEN"))
            .header("Content-Type", "multipart/form-data; boundary=" + BOUNDARY)
            .POST(message)
            .build();
        var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        System.out.println(answer.body());
        System.exit(answer.statusCode() == 200 ? 0 : 1);
    }

    private static BodyPublisher head(String fields) {
        return BodyPublishers.ofString("--" + BOUNDARY + "\r\n" + fields + "\r\n\r\n");
    }

    private static BodyPublisher text(String name, String value) {
        return BodyPublishers.concat(head("Content-Disposition: form-data; name=\"" + name + "\""), BodyPublishers.ofString(value + "\r\n"));
    }
}
