//! Azure OAuth from the command line, by every strategy: to a message that was sent, and with nothing secret on the way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use ring::digest;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::canary::{CANARY, USER, found_in, xoauth2};
use super::peer::{Act, Authority, Log, Peer, on, say};
use super::sign_in_service::{Service, form, json as answer};

const APPLICATION: &str = "11111111-2222-3333-4444-555555555555";

/// A run that somebody may have to do something for.
struct Running {
    pid: u32,
    peer: Peer,
    told: UnboundedReceiver<String>,
    ends: JoinHandle<(Option<i32>, String, String)>,
}

/// What it came to.
struct Ended {
    code: Option<i32>,
    last: Value,
    /// What was said to the mail server.
    log: Log,
}

impl Running {
    /// An entry with these settings of Azure OAuth; `changes` are made to it. The mail server takes the message.
    async fn start(service: &Service, azure: &Value, changes: Value) -> Self {
        let script = [
            vec![say("220 hi")],
            on("EHLO", "250-mail.test\n250 AUTH XOAUTH2").to_vec(),
            on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(),
            on("MAIL FROM", "250 ok").to_vec(),
            on("RCPT TO", "250 ok").to_vec(),
            on("DATA", "354 go").to_vec(),
            vec![Act::HearMessage, say("250 2.0.0 Ok: queued as 4F2B1C")],
        ];
        let peer = Peer::new(vec![script.concat()]).await;
        let mut config = json!({
            "host": "127.0.0.1", "port": peer.address.port(), "allow_plaintext_credentials": true, "username": USER,
            "azure_oauth": { "application_id": APPLICATION },
        });
        config["azure_oauth"].as_object_mut().unwrap().extend(azure.as_object().unwrap().clone());
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let mut child = Command::new(env!("CARGO_BIN_EXE_postroom"))
            .args(["send-test", "--config", "-", "--format", "ndjson", "--from", "scan@example.com", "--to", "anna@example.org"])
            .args(["--oauth-authority", &service.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        write!(child.stdin.take().unwrap(), "{config}").unwrap();
        let (tell, told) = unbounded_channel();
        let (stderr, mut stdout) = (child.stderr.take().unwrap(), child.stdout.take().unwrap());
        let pid = child.id();
        let told_all = std::thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(stderr).lines().map(Result::unwrap) {
                all = all + &line + "\n";
                let _nobody_listens = tell.send(line);
            }
            all
        });
        let ends = tokio::task::spawn_blocking(move || {
            let mut events = String::new();
            stdout.read_to_string(&mut events).unwrap();
            (child.wait().unwrap().code(), events, told_all.join().unwrap())
        });
        Self { pid, peer, told, ends }
    }

    /// The next line that tells somebody what to do.
    async fn told(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(20), self.told.recv()).await;
        line.expect("somebody is told what to do").expect("it goes on")
    }

    /// The address to open in a browser, and the pairs in it.
    async fn address(&mut self) -> (String, std::collections::BTreeMap<String, String>) {
        assert!(self.told().await.contains(&format!("sign in as {USER}")));
        let url = self.told().await;
        let pairs = form(url.split_once('?').unwrap().1);
        (url, pairs)
    }

    async fn ended(self) -> Ended {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.ends).await.expect("it ends by itself");
        let (code, events, told) = ended.unwrap();
        assert_eq!(found_in(&events).or(found_in(&told)), None, "{events}\n{told}");
        let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = events.last().unwrap().clone();
        assert_eq!(last["event"], "finished");
        Ended { code, last, log: self.peer.log().await }
    }
}

impl Ended {
    fn is_sent(&self) {
        assert_eq!((self.code, &self.last["outcome"]), (Some(0), &json!("sent")), "{}", self.last);
        assert_eq!(self.log.lines()[1], format!("AUTH XOAUTH2 {}", xoauth2()), "with the token");
    }

    /// It failed so before anything was said to the mail server.
    fn is_failed(&self, code: i32, kind: &str) {
        assert_eq!((self.code, &self.last["outcome"], &self.last["stage"]), (Some(code), &json!("failed"), &json!("token")));
        assert_eq!(self.last["diagnosis"]["kind"], kind, "{}", self.last);
        assert!(self.log.connections.is_empty(), "{:?}", self.log);
    }
}

/// A token that mustn't be seen, with what says whose it is.
fn granted(nonce: &str) -> String {
    let claims = json!({ "aud": APPLICATION, "nonce": nonce, "email": USER });
    let id_token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let body = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": CANARY, "refresh_token": CANARY, "id_token": id_token });
    answer("200 OK", &body.to_string())
}

fn refused(error: &str) -> String {
    answer("400 Bad Request", &json!({ "error": error, "error_description": format!("no {CANARY}") }).to_string())
}

#[tokio::test]
async fn nobody_is_needed_for_a_password_a_secret_or_a_certificate() {
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("../data/rsa-2048.key.der")[..]);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).unwrap();
    let certificate = Authority::new("Applications").issue_for(key, &[]).pem_with_key();
    let password = json!({ "password": { "value": CANARY } });
    for (strategy, changes, grant) in [
        ("password", &password, "password"),
        ("client_credentials", &password, "client_credentials"),
        ("client_certificate", &json!({ "client_certificate": { "value": certificate } }), "client_credentials"),
    ] {
        let service = Service::new(granted(""), None).await;
        let running = Running::start(&service, &json!({ "strategy": strategy }), changes.clone()).await;
        running.ended().await.is_sent();
        let requests = service.requests();
        assert_eq!((requests.len(), requests[0].field("grant_type").as_str()), (1, grant), "{strategy}");
        assert_eq!(requests[0].form().contains_key("client_assertion"), strategy == "client_certificate");
    }
}

#[tokio::test]
async fn without_a_password_or_a_certificate_nothing_is_asked() {
    for (strategy, kind) in [("password", "no_password"), ("client_certificate", "oauth_no_certificate")] {
        let service = Service::new(granted(""), None).await;
        let ended = Running::start(&service, &json!({ "strategy": strategy }), json!({})).await.ended().await;
        assert_eq!((ended.code, &ended.last["diagnosis"]["kind"]), (Some(1), &json!(kind)), "{}", ended.last);
        assert!(service.requests().is_empty() && ended.log.connections.is_empty());
    }
}

/// What gives a code, and then these answers to whoever asks whether it was typed.
async fn with_codes(mut answers: Vec<String>) -> Service {
    answers.reverse();
    Service::answering(move |request| {
        if request.path().ends_with("/devicecode") {
            let code = json!({
                "device_code": CANARY, "user_code": "ABCD-EFGH", "verification_uri": "https://login.example.com/device",
                "expires_in": 900, "interval": 1,
            });
            return answer("200 OK", &code.to_string());
        }
        assert_eq!(request.field("device_code"), CANARY);
        answers.pop().unwrap()
    })
    .await
}

#[tokio::test]
async fn a_code_is_shown_until_somebody_typed_it() {
    let service = with_codes(vec![refused("authorization_pending"), granted("")]).await;
    let mut running = Running::start(&service, &json!({ "strategy": "device_code" }), json!({})).await;
    let told = running.told().await;
    assert_eq!(told, format!("To sign in as {USER}, open https://login.example.com/device and type ABCD-EFGH (15 minutes)."));
    running.ended().await.is_sent();
    assert_eq!(service.requests().len(), 3);
}

#[tokio::test]
async fn a_code_that_nobody_typed_ends_it_before_the_mail_server_hears_of_it() {
    for (error, kind) in
        [("authorization_declined", "oauth_declined"), ("expired_token", "oauth_code_expired"), ("invalid_client", "oauth_refused")]
    {
        let service = with_codes(vec![refused(error)]).await;
        let running = Running::start(&service, &json!({ "strategy": "device_code" }), json!({})).await;
        running.ended().await.is_failed(28, kind);
        assert_eq!(service.requests().len(), 2);
    }
}

/// Says `request` to whom a browser comes back to; the status that is answered.
async fn browse(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // What was not read may end it with a reset.
    let _reset = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[tokio::test]
async fn somebody_signs_in_in_a_browser_and_whoever_else_comes_changes_nothing() {
    let nonce = Arc::new(Mutex::new(String::new()));
    let known = Arc::clone(&nonce);
    let service = Service::answering(move |_| granted(&known.lock().unwrap())).await;
    let azure = json!({ "strategy": "authorization_code", "tenant": "contoso.example" });
    let mut running = Running::start(&service, &azure, json!({ "password": { "value": CANARY } })).await;
    let (url, asked) = running.address().await;
    assert!(url.starts_with(&format!("{}/contoso.example/oauth2/v2.0/authorize?", service.url())), "{url}");
    let redirect = &asked["redirect_uri"];
    let port = redirect.strip_prefix("http://localhost:").and_then(|rest| rest.strip_suffix('/')).unwrap().parse().unwrap();
    nonce.lock().unwrap().clone_from(&asked["nonce"]);
    let state = &asked["state"];

    // One that browsers open ahead and say nothing over.
    let _silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    for (request, status) in [
        (get("/favicon.ico"), "HTTP/1.1 404 Not Found"),
        (get("/?code=stolen"), "HTTP/1.1 400 Bad Request"),
        (get("/?code=stolen&state=guessed"), "HTTP/1.1 400 Bad Request"),
        (get(&format!("/?code={}&state={state}", "x".repeat(64 << 10))), "HTTP/1.1 414 URI Too Long"),
        (format!("POST /?code=c&state={state} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 404 Not Found"),
        ("no http at all\r\n\r\n".into(), "HTTP/1.1 400 Bad Request"),
    ] {
        let found = browse(port, &request).await;
        assert!(found == status || found.starts_with("HTTP/1.1 4") && request.len() > 1_000, "{found}");
    }
    assert!(service.requests().is_empty(), "nothing was exchanged yet");

    assert_eq!(browse(port, &get(&format!("/?code=code-{CANARY}&state={state}&session_state=x"))).await, "HTTP/1.1 200 OK");
    running.ended().await.is_sent();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "nobody listens any more");
    let requests = service.requests();
    assert_eq!(requests.len(), 1);
    let form = requests[0].form();
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", format!("code-{CANARY}").as_str()));
    assert_eq!((&form["redirect_uri"], form["client_secret"].as_str()), (redirect, CANARY));
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, form["code_verifier"].as_bytes()));
    assert_eq!((&asked["code_challenge"], form["code_verifier"].len()), (&challenge, 43));
}

#[tokio::test]
async fn who_declines_in_the_browser_ends_it() {
    let service = Service::new(granted(""), None).await;
    let mut running = Running::start(&service, &json!({ "strategy": "authorization_code" }), json!({})).await;
    let (_, asked) = running.address().await;
    let port = asked["redirect_uri"].rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    let back = format!("/?error=access_denied&error_description=No%20way%1B%5B2J&state={}", asked["state"]);
    assert_eq!(browse(port, &get(&back)).await, "HTTP/1.1 200 OK");
    let ended = running.ended().await;
    ended.is_failed(28, "oauth_declined");
    assert_eq!(ended.last["diagnosis"]["evidence"], "access_denied: No way\\x1B[2J");
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn an_answer_to_another_sign_in_ends_it() {
    let service = Service::new(granted("another nonce"), None).await;
    let mut running = Running::start(&service, &json!({ "strategy": "authorization_code" }), json!({})).await;
    let (_, asked) = running.address().await;
    let port = asked["redirect_uri"].rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    assert_eq!(browse(port, &get(&format!("/?code=c&state={}", asked["state"]))).await, "HTTP/1.1 200 OK");
    running.ended().await.is_failed(28, "oauth_no_service");
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn somebody_who_thinks_better_of_it_ends_it() {
    for strategy in ["device_code", "authorization_code"] {
        let service = with_codes(Vec::new()).await;
        // Long before the first question whether the code was typed.
        let mut running = Running::start(&service, &json!({ "strategy": strategy }), json!({})).await;
        running.told().await;
        assert!(Command::new("kill").args(["-INT", &running.pid.to_string()]).status().unwrap().success());
        let ended = running.ended().await;
        assert_eq!((ended.code, &ended.last["outcome"], &ended.last["stage"]), (Some(41), &json!("cancelled"), &json!("token")));
        assert!(ended.log.connections.is_empty(), "{:?}", ended.log);
    }
}
