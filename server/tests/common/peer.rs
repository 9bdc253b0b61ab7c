//! An SMTP peer that follows a script and remembers everything that was said to it, with certificates of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, SupportedProtocolVersion};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A line of a script.
#[derive(Clone)]
pub(crate) enum Act {
    /// Says exactly these bytes.
    Say(Vec<u8>),
    /// Waits for a line that begins so; another one fails the test.
    Hear(&'static str),
    /// Waits for the message up to the final dot.
    HearMessage,
    /// Shakes hands; if that fails, the connection ends.
    Handshake(Arc<ServerConfig>),
    /// Waits for bytes that are no line, such as a TLS handshake's.
    HearBytes,
    /// Says `of` again and again until the other side is gone.
    SayForEver(Vec<u8>),
    /// Tells the test that the script has come this far.
    Tell(Arc<Notify>),
    /// Waits for the test.
    Wait(Arc<Notify>),
    /// Says `of` again and again, slowly, until the other side is gone.
    Drip(&'static [u8]),
    /// Lets some time go by: the fault itself, where a peer is slow.
    Dawdle(Duration),
    /// Neither says nor reads anything until it is told to go on.
    Deaf(Arc<Notify>),
    /// Says nothing any more, listens until the other side is gone.
    Silence,
    /// Listens until the other side is gone, and lets the script go on.
    HearEnd,
    /// Takes every message until the other side says goodbye.
    Polite,
    /// Closes without a word, also without TLS' `close_notify`.
    Close,
    /// Closes so that the other side sees a reset.
    Reset,
}

/// Says `text` with CRLF.
pub(crate) fn say(text: &str) -> Act {
    Act::Say(format!("{}\r\n", text.replace('\n', "\r\n")).into_bytes())
}

/// Says exactly `bytes`.
pub(crate) fn raw(bytes: &[u8]) -> Act {
    Act::Say(bytes.to_vec())
}

/// Waits for `command` and answers.
pub(crate) fn on(command: &'static str, answer: &str) -> [Act; 2] {
    [Act::Hear(command), say(answer)]
}

/// Something the peer heard: a line without its end, or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) line: String,
    pub(crate) encrypted: bool,
}

/// What a handshake that succeeded showed of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The name that it asked for.
    pub(crate) sni: Option<String>,
    /// The certificates that it showed.
    pub(crate) client: Vec<CertificateDer<'static>>,
}

/// What was said to the peer, connection by connection.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) connections: Vec<Vec<Heard>>,
    pub(crate) hellos: Vec<Hello>,
}

impl Log {
    /// Every line, in order.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.connections.iter().flatten().map(|heard| heard.line.as_str()).collect()
    }

    /// Whether any line begins so, in clear or not.
    pub(crate) fn has(&self, start: &str) -> bool {
        self.lines().iter().any(|line| line.starts_with(start))
    }

    /// Whether any line that travelled in clear begins so.
    pub(crate) fn has_in_clear(&self, start: &str) -> bool {
        self.connections.iter().flatten().any(|heard| !heard.encrypted && heard.line.starts_with(start))
    }
}

/// A peer that listens on a port of its own.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Log>,
}

impl Peer {
    /// Serves one connection after the other, one script each. Further connections are remembered as `EXTRA`.
    pub(crate) async fn new(scripts: Vec<Vec<Act>>) -> Self {
        Self::on([127, 0, 0, 1].into(), scripts).await
    }

    /// The same on another address of this machine.
    pub(crate) async fn on(ip: IpAddr, scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut connections, mut hellos) = (Vec::new(), Vec::new());
            let mut scripts = scripts.into_iter();
            loop {
                let stream = tokio::select! {
                    biased;
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = &mut stopped => break,
                };
                match scripts.next() {
                    Some(script) => connections.push(serve(stream, script, &mut hellos).await),
                    None => connections.push(vec![Heard { line: "EXTRA".into(), encrypted: false }]),
                }
            }
            Log { connections, hellos }
        });
        Self { address, stop, task }
    }

    /// Serves all connections at once, in the order in which they come.
    pub(crate) async fn at_once(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut serving, mut extra) = (Vec::new(), Vec::new());
            let mut scripts = scripts.into_iter();
            loop {
                let stream = tokio::select! {
                    biased;
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = &mut stopped => break,
                };
                match scripts.next() {
                    Some(script) => serving.push(tokio::spawn(async move {
                        let mut hellos = Vec::new();
                        (serve(stream, script, &mut hellos).await, hellos)
                    })),
                    None => extra.push(vec![Heard { line: "EXTRA".into(), encrypted: false }]),
                }
            }
            let mut log = Log { connections: Vec::new(), hellos: Vec::new() };
            for serving in serving {
                let (heard, hellos) = serving.await.unwrap();
                log.connections.push(heard);
                log.hellos.extend(hellos);
            }
            log.connections.extend(extra);
            log
        });
        Self { address, stop, task }
    }

    /// What was said to it, once the other side is done.
    pub(crate) async fn log(self) -> Log {
        // Gone already where the script itself failed; then `task` says so.
        let _gone = self.stop.send(());
        self.task.await.unwrap()
    }
}

/// An address that never answers: a listener whose queue is full and stays so, since nobody accepts.
pub(crate) struct Mute {
    pub(crate) address: SocketAddr,
    _sockets: Vec<Socket>,
}

impl Mute {
    pub(crate) fn on(address: SocketAddr) -> Self {
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut sockets = vec![listener];
        // It is full as soon as a connection isn't answered any more.
        loop {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            let answered = socket.connect_timeout(&address.into(), Duration::from_millis(100)).is_ok();
            sockets.push(socket);
            if !answered {
                return Self { address, _sockets: sockets };
            }
        }
    }
}

trait Talk: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Talk for T {}

struct Ear {
    heard: Vec<Heard>,
    pending: Vec<u8>,
    encrypted: bool,
    /// A handshake came that nobody answers: no line follows any more.
    deaf: bool,
}

impl Ear {
    /// The next line; `None` at the end.
    async fn line(&mut self, stream: &mut dyn Talk) -> Option<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                self.deaf |= is_tls(&line);
                let line = if self.deaf {
                    TLS.to_owned()
                } else {
                    let line = String::from_utf8_lossy(&line);
                    line.strip_suffix("\r\n").unwrap_or_else(|| panic!("only CRLF ends a line: {line:?}")).to_owned()
                };
                assert!(!line.contains('\r'), "bare CR in {line:?}");
                self.heard.push(Heard { line: line.clone(), encrypted: self.encrypted });
                return Some(line);
            }
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.pending.extend_from_slice(&buffer[..n]),
            }
        }
    }

    /// A message up to the final dot.
    async fn message(&mut self, stream: &mut dyn Talk) {
        let mut message = String::new();
        let from = self.heard.len();
        while let Some(line) = self.line(stream).await.filter(|line| line != ".") {
            message.push_str(line.strip_prefix('.').unwrap_or(&line));
            message.push('\n');
        }
        self.heard.truncate(from);
        self.heard.push(Heard { line: format!("MESSAGE\n{message}"), encrypted: self.encrypted });
    }

    /// Whatever else is said is remembered; a polite end is answered.
    async fn end(&mut self, stream: &mut dyn Talk) {
        while let Some(line) = self.line(stream).await {
            let answer: &[u8] = match line.as_str() {
                "QUIT" => b"221 bye\r\n",
                "RSET" => b"250 reset\r\n",
                _ => continue,
            };
            let _gone = stream.write_all(answer).await;
            let _gone = stream.flush().await;
        }
    }

    /// The end of a connection: what is left without a line end counts too.
    fn done(mut self) -> Vec<Heard> {
        if !self.pending.is_empty() {
            let line =
                if self.deaf || is_tls(&self.pending) { TLS.into() } else { String::from_utf8_lossy(&self.pending).into_owned() };
            self.heard.push(Heard { line, encrypted: self.encrypted });
        }
        self.heard
    }
}

/// What stands for parts of a handshake that nobody answers.
const TLS: &str = "(TLS)";

/// Anything with a control that no line holds; a handshake is full of them.
fn is_tls(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| byte.is_ascii_control() && !b"\r\n\t".contains(byte))
}

async fn serve(stream: TcpStream, script: Vec<Act>, hellos: &mut Vec<Hello>) -> Vec<Heard> {
    stream.set_nodelay(true).unwrap();
    let socket = socket2::SockRef::from(&stream).try_clone().unwrap();
    let mut stream: Box<dyn Talk> = Box::new(stream);
    let mut ear = Ear { heard: Vec::new(), pending: Vec::new(), encrypted: false, deaf: false };
    for act in script {
        match act {
            Act::Say(bytes) => {
                if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
            }
            Act::Hear(start) => match ear.line(&mut *stream).await {
                Some(line) => assert!(line.starts_with(start), "expected {start}, heard {line}"),
                None => break,
            },
            Act::HearMessage => ear.message(&mut *stream).await,
            Act::Handshake(config) => {
                assert!(ear.pending.is_empty(), "something was said before the handshake: {:?}", ear.pending);
                match TlsAcceptor::from(config).accept(stream).await {
                    Ok(tls) => {
                        let (_, connection) = tls.get_ref();
                        let client = connection.peer_certificates().unwrap_or_default();
                        hellos.push(Hello { sni: connection.server_name().map(Into::into), client: client.to_vec() });
                        stream = Box::new(tls);
                    }
                    Err(_) => return ear.done(),
                }
                ear.encrypted = true;
            }
            Act::HearBytes => {
                let mut buffer = [0; 4096];
                let _heard = stream.read(&mut buffer).await;
            }
            Act::SayForEver(bytes) => {
                while stream.write_all(&bytes).await.is_ok() {}
                break;
            }
            Act::Tell(reached) => reached.notify_one(),
            Act::Wait(go) => go.notified().await,
            Act::Drip(bytes) => {
                while stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                break;
            }
            Act::Dawdle(time) => tokio::time::sleep(time).await,
            Act::Deaf(until) => until.notified().await,
            Act::Silence => break,
            Act::HearEnd => ear.end(&mut *stream).await,
            Act::Polite => {
                while let Some(line) = ear.line(&mut *stream).await {
                    let answer: &[u8] = match line.as_str() {
                        "DATA" => b"354 go on\r\n",
                        "QUIT" => b"221 bye\r\n",
                        _ => b"250 2.0.0 ok\r\n",
                    };
                    let _gone = stream.write_all(answer).await;
                    let _gone = stream.flush().await;
                    if line == "DATA" {
                        ear.message(&mut *stream).await;
                        let _gone = stream.write_all(b"250 2.0.0 Ok: queued as 4F2B1C\r\n").await;
                        let _gone = stream.flush().await;
                    }
                }
                break;
            }
            Act::Close => return ear.done(),
            Act::Reset => {
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                return ear.done();
            }
        }
    }
    ear.end(&mut *stream).await;
    ear.done()
}

/// A certificate authority of the test's own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::made(name, |_| {})
    }

    /// The same, changed by `change`.
    pub(crate) fn made(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority(name);
        change(&mut params);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// Another certificate of it, with the same key.
    pub(crate) fn again(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::try_from(self.issuer.key().serialize_der()).unwrap();
        let mut params = authority(name);
        change(&mut params);
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_made(name, |_| {})
    }

    /// The same, changed by `change`.
    pub(crate) fn intermediate_made(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority(name);
        change(&mut params);
        Self { issuer: CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.issuer).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A certificate for `names`, its key of another kind.
    pub(crate) fn issue_for(&self, key: KeyPair, names: &[&str]) -> Identity {
        let certificate = params(names).signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    /// A certificate for `names`, changed by `change`.
    pub(crate) fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    /// It as a server: what it signs others with is presented as a server's own.
    pub(crate) fn itself(&self) -> Identity {
        let key = KeyPair::try_from(self.issuer.key().serialize_der()).unwrap();
        Identity { chain: vec![self.der()], pem: self.pem(), key }
    }

    /// A server with a certificate for `names`, changed by `change`.
    pub(crate) fn server(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        self.issue(names, change).server()
    }

    /// The same with only one version of TLS.
    pub(crate) fn server_with(&self, names: &[&str], version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        self.issue(names, |_| {}).server_with(&[version])
    }

    /// A server that wants a certificate from its client.
    pub(crate) fn server_wanting_ours(&self, names: &[&str], version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        self.issue(names, |_| {}).server_asking(version, self, true)
    }
}

/// A certificate with its key, and what is presented with it.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

impl Identity {
    /// It signed itself, as `openssl req -x509` makes it, and is changed by `change`.
    pub(crate) fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    /// Presents the certificate of `authority`, too.
    pub(crate) fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der());
        self
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.chain[0].clone()
    }

    /// It with its key, as it is kept in a file.
    pub(crate) fn pem_with_key(&self) -> String {
        format!("{}{}", self.pem, self.key.serialize_pem())
    }

    /// Everything that is presented.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// A server with it.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server_with(rustls::DEFAULT_VERSIONS)
    }

    /// The same with these versions of TLS.
    pub(crate) fn server_with(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        Arc::new(config.with_no_client_auth().with_single_cert(self.chain.clone(), private(&self.key)).unwrap())
    }

    /// Somebody who has this certificate, but not its key.
    pub(crate) fn impostor(&self) -> Arc<ServerConfig> {
        let key = provider().key_provider.load_private_key(private(&KeyPair::generate().unwrap())).unwrap();
        let resolver = SingleCertAndKey::from(CertifiedKey::new(self.chain.clone(), key));
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
    }

    /// A server that asks its client for a certificate of `clients`.
    pub(crate) fn server_asking(
        &self,
        version: &'static SupportedProtocolVersion,
        clients: &Authority,
        required: bool,
    ) -> Arc<ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(clients.der()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(self.chain.clone(), private(&self.key))
            .unwrap();
        Arc::new(config)
    }

    /// It as a client shows it.
    pub(crate) fn as_client(&self) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::from_der(self.chain.clone(), private(&self.key), &provider()).unwrap())
    }
}

/// A server whose certificate signed itself, as `openssl req -x509` makes it, and that certificate as PEM.
pub(crate) fn self_signed_server(names: &[&str], is_ca: bool) -> (Arc<ServerConfig>, String) {
    let identity = Identity::self_signed(names, |params| {
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
    });
    (identity.server(), identity.pem)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Test server");
    params
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
