//! The description of the API (`OpenAPI` 3.1), made of the routes that there are, and the page that explains how to send.

use app::api::KEYS;
use app::pages::Plain;
use axum::Json;
use axum::response::{IntoResponse as _, Response};
use domain::access::Act;
use domain::submission::{MAX_ATTACHMENTS, MAX_JSON, MAX_RECIPIENTS, MAX_SUBJECT, MAX_TEXT};
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::routes::{Need, Route, Routes};
use super::{Visit, access, all};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/openapi.json", Need::Somebody, description).get("/help/api", Need::Somebody, page)
}

async fn description() -> Response {
    Json(document(&all().table())).into_response()
}

async fn page(visit: Visit, headers: HeaderMap) -> Response {
    let base = access::base(&visit, &headers);
    visit.show(Plain::ApiHelp { base, manages: visit.may(Act::Manage) }.into()).await
}

/// What each route of the API does, in a sentence; and, of those that are no server functions, which keys they take.
const SUMMARIES: [(&str, &str, &[&str]); 39] = [
    ("/api/openapi.json", "This description", &[]),
    ("/api/v1/messages", "Messages that were sent, newest first", &["search", "outcome", "server", "from", "to", "before"]),
    ("/api/v1/messages/{id}", "One message with everything that happened to it", &[]),
    ("/api/servers", "SMTP servers, by name", &[]),
    ("/api/servers/get", "One SMTP server", &[]),
    ("/api/servers/create", "Adds an SMTP server", &[]),
    ("/api/servers/save", "Changes an SMTP server; missing keys keep their value", &[]),
    ("/api/servers/trash", "Trashes SMTP servers; can be undone for 10 seconds", &[]),
    ("/api/servers/undo", "Takes a trashing back", &[]),
    ("/api/servers/test", "Tries an SMTP server, saved or not, and waits for the end", &[]),
    (
        "/api/servers/test/live",
        "Tries an SMTP server; an event a line, as they happen",
        &["id", "server", "from", "to", "attachment_bytes", "check_only"],
    ),
    ("/api/servers/test-all", "Checks the connections of many servers; an event a line", &["ids"]),
    ("/api/servers/inspect", "Looks at the certificate that a server presents", &[]),
    ("/api/servers/renew", "Renews the sign-in of a server with Azure OAuth now", &[]),
    ("/api/servers/sign-out", "Forgets the sign-in of a server with Azure OAuth", &[]),
    ("/api/servers/device-code", "Begins a sign-in with a code", &[]),
    ("/api/servers/device", "How a sign-in with a code stands", &[]),
    ("/api/servers/runs", "The last tests of a server", &[]),
    ("/api/servers/export", "Servers as a file, without their secrets", &["id", "secrets"]),
    ("/api/servers/import-plan", "What taking in a file of servers would do", &["file"]),
    ("/api/servers/import", "Takes in a file of servers", &["file", "only"]),
    ("/api/runs/get", "One test with everything that happened", &[]),
    ("/api/runs/cancel", "Stops a test", &[]),
    ("/api/certificates", "The certificates that are trusted", &[]),
    ("/api/certificates/preview", "What a file of certificates holds", &["file", "passphrase"]),
    ("/api/certificates/add", "Trusts authorities", &[]),
    ("/api/certificates/pin", "Trusts one server's certificate", &[]),
    ("/api/certificates/outlives", "Trusts a pinned certificate beyond its end, or not", &[]),
    ("/api/certificates/system-roots", "Trusts the machine's authorities, or not", &[]),
    ("/api/certificates/trash", "Trashes certificates; can be undone for 10 seconds", &[]),
    ("/api/certificates/undo", "Takes a trashing of certificates back", &[]),
    ("/api/certificates/export", "Trusted certificates as PEM", &["id"]),
    ("/api/activity", "Who did what", &["search", "who", "deed", "from", "to", "before"]),
    ("/api/activity/export", "All of the activity", &["search", "who", "deed", "from", "to", "format"]),
    ("/api/session", "Who is signed in, and what he may do", &[]),
    ("/api/session/stay", "Keeps the session from ending", &[]),
    ("/api/links", "Download links, newest first", &["search", "state", "before"]),
    ("/api/links/revoke", "Ends a download link", &["id"]),
    ("/api/links/extend", "Lets a download link live for so many days from now", &["id", "days"]),
];

/// What a route takes, in words.
const fn needed(need: Need) -> &'static str {
    match need {
        Need::Nobody => "Nothing.",
        Need::Somebody => "A session or a token.",
        Need::Act(Act::See) => "A viewer, or a token that may test.",
        Need::Act(Act::Test) => "An operator, or a token that may test.",
        Need::Act(Act::Submit) => "An operator, or a token that may submit.",
        Need::Act(Act::Change) => "An administrator, or a token of one without verbs.",
        Need::Act(Act::Manage | Act::Own) => "Somebody who is signed in; no token.",
    }
}

fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes.iter().filter(|route| route.path.starts_with("/api/")) {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Postroom",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Sends messages for applications, and manages the mail servers they go through.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "An API token, made under Tokens." } },
            "schemas": schemas(),
        },
    })
}

fn operation(route: &Route) -> Value {
    if route.path == "/api/v1/messages" && route.method == Method::POST {
        return submission();
    }
    let (summary, own_keys) =
        SUMMARIES.iter().find(|(path, ..)| *path == route.path).map_or(("", &[][..]), |(_, summary, keys)| (*summary, *keys));
    let keys = KEYS.iter().find(|(path, ..)| *path == route.path).map_or(own_keys, |(_, _, keys)| keys);
    let id: String = route.path.trim_start_matches("/api/").replace(['/', '-', '.'], "_").replace(['{', '}'], "");
    let mut operation = json!({
        "operationId": format!("{}_{id}", route.method.as_str().to_ascii_lowercase()),
        "summary": summary,
        "description": format!("Takes: {}", needed(route.need)),
        "responses": {
            "200": { "description": "Done.", "content": { "application/json": { "schema": answer(route.path) } } },
            "default": error_answer(),
        },
    });
    let mut parameters: Vec<Value> = Vec::new();
    if route.path.contains("{id}") {
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }));
    }
    if route.method == Method::GET {
        parameters.extend(keys.iter().map(|key| json!({ "name": key, "in": "query", "schema": { "type": "string" } })));
    } else {
        let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!({}))).collect();
        let schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        operation["requestBody"] = json!({ "content": { "application/json": { "schema": schema } } });
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

fn answer(path: &str) -> Value {
    match path {
        "/api/v1/messages" => json!({ "$ref": "#/components/schemas/MessagesPage" }),
        "/api/v1/messages/{id}" => json!({
            "type": "object",
            "properties": {
                "message": { "$ref": "#/components/schemas/Message" },
                "events": { "type": "array", "items": { "type": "object" } },
                "now_ms": { "type": "integer" },
            },
        }),
        _ => json!({}),
    }
}

fn error_answer() -> Value {
    json!({
        "description": "Not done; the message says why, and what to do.",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    })
}

/// `POST /api/v1/messages`.
fn submission() -> Value {
    let report = |description: &str| {
        json!({
            "description": description,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Report" } } },
        })
    };
    let error = |description: &str| {
        let mut answer = error_answer();
        answer["description"] = description.into();
        answer
    };
    json!({
        "operationId": "post_v1_messages",
        "summary": "Sends a message, and waits for what the mail server says of it",
        "description": format!("Takes: {}", needed(Need::Act(Act::Submit))),
        "requestBody": {
            "required": true,
            "content": {
                "multipart/form-data": {
                    "schema": { "$ref": "#/components/schemas/MessageInParts" },
                    "encoding": { "attachments": { "contentType": "application/octet-stream" } },
                },
                "application/json": { "schema": { "$ref": "#/components/schemas/MessageInJson" } },
            },
        },
        "responses": {
            "200": report("The mail server took it for at least one recipient."),
            "502": report("It was not sent, to nobody. Stage and diagnosis say why."),
            "504": report("Nobody knows whether it was sent. Don't send it again without a look into the mailbox."),
            "400": error("It can't be read."),
            "408": error("It took too long to arrive."),
            "413": error("It is larger than is taken at once."),
            "422": error("Fields need a change; nothing was handed to a mail server."),
            "507": error("There is no room for its files."),
            "default": error_answer(),
        },
    })
}

fn schemas() -> Value {
    let address = "an address such as Scan <scan@example.com>, or a list of them with commas (RFC 5322)";
    let addresses = |what: &str| {
        json!({
            "description": format!("{what}: {address}."),
            "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    };
    let mut fields = json!({
        "server": text("The name of the SMTP server; the default one where it is missing."),
        "from": text("The sender; the server's own where it is missing."),
        "to": addresses("Recipients"),
        "cc": addresses("More recipients"),
        "bcc": addresses("More recipients, whom nobody sees"),
        "reply_to": addresses("Whom an answer is for"),
        "subject": { "type": "string", "maxLength": MAX_SUBJECT, "description": "The subject, on one line." },
        "text": { "type": "string", "description": format!("The text, at most {MAX_TEXT} bytes of UTF-8.") },
        "html": { "type": "string", "description": "The same as HTML." },
        "source": { "type": "string", "enum": ["", "bpm-mail-node"], "description": "What sends it: bpm-mail-node for a mail node of a workflow." },
    });
    let mut in_parts = fields.clone();
    in_parts["attachments"] = json!({
        "type": "array", "maxItems": MAX_ATTACHMENTS,
        "items": { "type": "string", "contentMediaType": "application/octet-stream" },
        "description": "Files, each a part with a file name. They are passed on as they arrive, however big.",
    });
    fields["attachments"] = json!({
        "type": "array", "maxItems": MAX_ATTACHMENTS,
        "description": format!("Small files: all of the JSON has at most {MAX_JSON} bytes."),
        "items": {
            "type": "object", "required": ["name", "content"], "additionalProperties": false,
            "properties": {
                "name": text("The file's name."),
                "content_type": text("Its type, such as application/pdf."),
                "content": { "type": "string", "contentEncoding": "base64" },
            },
        },
    });
    let mut schemas = answers();
    schemas["MessageInParts"] = json!({ "type": "object", "properties": in_parts, "additionalProperties": false });
    schemas["MessageInJson"] = json!({
        "type": "object", "properties": fields, "additionalProperties": false,
        "description": format!("At most {MAX_RECIPIENTS} recipients."),
    });
    schemas
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// What is answered.
fn answers() -> Value {
    let reply = json!({
        "type": ["object", "null"],
        "properties": { "code": { "type": "integer" }, "enhanced": { "type": ["string", "null"] }, "text": { "type": "string" } },
    });
    let recipient = json!({
        "type": "object",
        "properties": { "address": { "type": "string" }, "accepted": { "type": "boolean" }, "reply": reply },
    });
    let diagnosis = json!({
        "type": ["object", "null"],
        "properties": {
            "kind": { "type": "string" }, "title": { "type": "string" }, "steps": { "type": "array", "items": { "type": "string" } },
        },
    });
    json!({
        "Report": {
            "type": "object",
            "required": ["id", "server", "verdict", "message", "stage", "security", "recipients", "links", "elapsed_ms"],
            "properties": {
                "id": { "type": "integer", "description": "The message's number under Messages." },
                "server": text("The server it went through."),
                "verdict": { "type": "string", "enum": ["sent", "not_sent", "unknown"] },
                "error": { "type": "string", "enum": ["not_sent", "sent_unknown"], "description": "Missing where it was sent." },
                "message": text("The verdict in a sentence or two."),
                "stage": text("The stage it ended in, such as auth or accepted."),
                "security": { "type": "string", "enum": ["plaintext", "tls1.2", "tls1.3"] },
                "reply": reply,
                "queue_id": { "type": ["string", "null"], "description": "The id under which the mail server queued it." },
                "recipients": { "type": "array", "items": recipient },
                "partial": { "type": "boolean", "description": "Whether some recipients were refused." },
                "cause": text("Why it was not sent, for programs."),
                "links": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": { "type": "string" }, "size": { "type": "integer" }, "url": { "type": "string" },
                            "expires_ms": { "type": "integer" },
                        },
                    },
                },
                "diagnosis": diagnosis,
                "elapsed_ms": { "type": "integer" },
            },
        },
        "Message": {
            "type": "object",
            "description": "A message as it is remembered: neither its text nor its files are.",
            "properties": {
                "id": { "type": "integer" }, "at_ms": { "type": "integer", "description": "Milliseconds since 1970." },
                "server": { "type": "string" }, "from": { "type": "string" },
                "recipients": { "type": "array", "items": { "type": "string" } },
                "subject": { "type": "string" }, "size": { "type": "integer" },
                "files": { "type": "array", "items": { "type": "object" } },
                "ended": { "type": ["object", "null"], "description": "How it ended; null while it is being sent." },
            },
        },
        "MessagesPage": {
            "type": "object",
            "properties": {
                "messages": { "type": "array", "items": { "$ref": "#/components/schemas/Message" } },
                "next": { "type": ["integer", "null"], "description": "What `before` is for the next page." },
                "total": { "type": "integer" }, "kept_days": { "type": "integer" }, "now_ms": { "type": "integer" },
            },
        },
        "Error": {
            "type": "object",
            "required": ["error", "message"],
            "properties": {
                "error": text("The kind, for programs."),
                "message": text("What happened, what was not done, and what to do."),
                "fields": { "type": "object", "additionalProperties": { "type": "string" }, "description": "A sentence for each field that is wrong." },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_of_the_api_is_described_once_and_nothing_else_is() {
        let table = all().table();
        let there: BTreeSet<&str> = table.iter().map(|route| route.path).filter(|path| path.starts_with("/api/")).collect();
        let described: BTreeSet<&str> = SUMMARIES.iter().map(|(path, ..)| *path).collect();
        assert_eq!(described, there);
        let document = document(&table);
        let mut ids = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id), "{method} {path}");
                assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            }
        }
        assert_eq!(ids.len(), table.iter().filter(|route| route.path.starts_with("/api/")).count());
    }
}
