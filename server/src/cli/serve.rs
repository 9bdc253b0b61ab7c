//! `postroom serve`.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use domain::access::Who;
use domain::error::Problem;
use domain::secret::Secret;
use domain::words;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use super::{ServeArgs, USAGE, end_signal, fail};
use crate::backend::House;
#[cfg(unix)]
use crate::control::server::ControlSocket;
use crate::data::Data;
use crate::files::Limits;
use crate::links::Links;
use crate::mailer::{Mailer, NetworkPolicy};
use crate::ports::SystemRandom;
use crate::submissions::Submissions;
use crate::web::{Hosts, PageTls, Proxies, TlsFiles, Web, router, serve};

/// The port is taken, or the address is not this machine's.
const CANT_LISTEN: u8 = 14;
/// The database can't be read although it could be opened.
const CANT_READ: u8 = 13;
/// What is logged unless asked for otherwise.
const DEFAULT_LOG: &str = "info";
/// The stack of each thread: bytes. Views are deep, and an unoptimised build of the largest page needs more than the usual
/// 2 MiB. Only what is used takes memory.
const STACK: usize = 8 << 20;
/// How often what was trashed is looked through.
const PURGE_EVERY: Duration = Duration::from_secs(5);

pub(super) fn run(args: &ServeArgs) -> ExitCode {
    init_log();
    let listening = match Listening::of(args) {
        Ok(listening) => listening,
        Err(sentence) => return fail(&sentence, USAGE),
    };
    if let Err(sentence) = args.oauth.authority() {
        return fail(&sentence, USAGE);
    }
    let policy = match args.networks.policy() {
        Ok(policy) => policy,
        Err(sentence) => return fail(&sentence, USAGE),
    };
    let limits = match args.attachments.limits() {
        Ok(limits) => limits,
        Err(sentence) => return fail(&sentence, USAGE),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("The system gives no threads ({error}). Stop other programs, then try again."), USAGE),
    };
    let code = runtime.block_on(start(args, listening, policy, limits));
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn start(args: &ServeArgs, listening: Listening, policy: NetworkPolicy, limits: Limits) -> ExitCode {
    let Listening { addr, public, links_url, tls, proxies } = listening;
    let listener = match TcpListener::bind(addr).await {
        Ok(listener) => listener,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            return fail(&format!("Another program listens on {addr}. Stop it, or choose another port with --addr."), CANT_LISTEN);
        }
        Err(error) => return fail(&format!("Can't listen on {addr} ({error}). Choose another address with --addr."), CANT_LISTEN),
    };
    let data = match args.data.open() {
        Ok(data) => Arc::new(data),
        Err(error) => return fail(&error.to_string(), error.exit_code()),
    };
    if data.made_key() {
        say_where_the_key_is(&data.dir().key());
    }
    let files = match data.files(limits) {
        Ok(files) => files,
        Err(error) => return fail(&error.to_string(), error.exit_code()),
    };
    let entries = Arc::clone(data.entries());
    let links = Arc::new(Links::new(&entries, Arc::new(files), Arc::new(SystemRandom)));
    let mailer = match Mailer::system(None) {
        Ok(mailer) => mailer.with_network_policy(policy).with_authority(&args.oauth.oauth_authority),
        Err(error) => return fail(&error.to_string(), USAGE),
    };
    let house = match House::new(Arc::clone(&entries), mailer) {
        Ok(house) => Arc::new(house.with_accounts(Arc::clone(data.accounts())).with_links(Arc::clone(&links), args.messages_days)),
        Err(problem) => return fail(&words::problem(&problem), CANT_READ),
    };
    if let Err(problem) = settle(house.submissions()) {
        return fail(&words::problem(&problem), CANT_READ);
    }
    let purge = tokio::spawn(purge(Arc::clone(&data), Arc::clone(house.submissions())));
    let close = house.close();
    let sign_ins = Arc::clone(house.sign_ins());
    let authority = |url: &Option<PublicUrl>| url.as_ref().map(|url| url.authority.clone());
    let hosts = Hosts::new(authority(&public).as_deref()).with_links(authority(&links_url).as_deref());
    let web = Web::new(house, hosts).behind(proxies).with_links(Arc::clone(&links));
    let bound = listener.local_addr().unwrap_or(addr);
    let end = match end_signal() {
        Ok(end) => end,
        Err(error) => return fail(&format!("The system gives no signals ({error})."), USAGE),
    };
    #[cfg(unix)]
    let socket = listen_to_commands(&data);
    // The public address isn't told where a test or a person looks for this process and its port.
    let here = format!("{}://{bound}", if tls.is_some() { "https" } else { "http" });
    let base = public.as_ref().map_or_else(|| here.clone(), PublicUrl::url);
    let url = if bound.ip().is_loopback() { &here } else { &base };
    // Made and said before anybody is told that it is ready: who then looks finds it so.
    links.serve_at(links_url.as_ref().map_or_else(|| base.clone(), PublicUrl::url));
    let link = data.accounts().setup_link(Who::Postroom);
    let _ = writeln!(std::io::stdout(), "Postroom is ready at {url}");
    say_set_up_link(link, &base);
    // Sign-in services take this machine's own names in clear only as “localhost” (RFC 8252 section 7.3).
    let returns_to = match public {
        None if bound.ip().is_loopback() => {
            here.replacen(&bound.ip().to_string(), "localhost", 1).replacen("[localhost]", "localhost", 1)
        }
        _ => base.clone(),
    };
    sign_ins.serve_at(returns_to);
    let renewing = tokio::spawn(sign_ins.keep_alive());
    let sweeping = tokio::spawn(links.keep_sweeping());
    data.serves_at(base);
    tracing::info!(address = %bound, data_dir = %args.data.data_dir.display(), key = %args.data.key(), "ready");
    let (ending, ended) = tokio::sync::oneshot::channel();
    let end = async move {
        end.await;
        // Runs and connections end at the same time: a run that is cancelled lets its watcher go.
        let _ = ending.send(());
    };
    let close = tokio::spawn(async move {
        if ended.await.is_ok() {
            close.await;
        }
    });
    let acceptor = tls.as_ref().map(PageTls::acceptor);
    let following = tls.map(|tls| tokio::spawn(tls.follow()));
    serve(listener, router(web), acceptor, end).await;
    if let Some(following) = following {
        following.abort();
    }
    if let Err(error) = close.await {
        tracing::error!(%error, "ending the runs broke off");
    }
    purge.abort();
    renewing.abort();
    sweeping.abort();
    #[cfg(unix)]
    if let Some(socket) = socket {
        socket.abort();
        // Until its name is gone.
        let _ = socket.await;
    }
    tracing::info!("stopped");
    ExitCode::SUCCESS
}

/// Says how the first account is made, as long as there is none.
fn say_set_up_link(link: Result<Option<Secret>, Problem>, base: &str) {
    match link {
        Ok(Some(link)) => {
            let _ =
                writeln!(std::io::stdout(), "\nSet up the first account within one hour: {base}/welcome?token={}\n", link.expose());
        }
        Ok(None) => {}
        Err(problem) => tracing::warn!(?problem, "can't make a link for the first account; postroom setup-link tries again"),
    }
}

/// Ends what was being sent when the program ended at once.
fn settle(submissions: &Submissions) -> Result<(), Problem> {
    let count = submissions.history().settle()?;
    if count > 0 {
        tracing::warn!(count, "messages were being sent when the program ended; nobody knows whether they arrived");
    }
    Ok(())
}

/// Said once, on standard error whatever is logged: it is too late to say it when the key is needed.
fn say_where_the_key_is(key: &Path) {
    let _ = writeln!(
        std::io::stderr(),
        "postroom: The key to the stored passwords was made: {}. Keep a copy of it apart from the database: a back-up of postroom.redb \
         without it gives no password back.",
        key.display()
    );
}

/// Lets the command line ask for what needs the data. Without it everything else works.
#[cfg(unix)]
fn listen_to_commands(data: &Arc<Data>) -> Option<JoinHandle<()>> {
    match ControlSocket::bind(data.dir()) {
        Ok(socket) => Some(tokio::spawn(socket.serve(Arc::clone(data)))),
        Err(error) => {
            let path = data.dir().socket();
            tracing::warn!(%error, path = %path.display(), "can't listen to commands; stop the program to rotate keys or back up");
            None
        }
    }
}

/// Removes what was trashed once it can't be undone any more: its password is not kept longer than said. And forgets old activity and messages.
async fn purge(data: Arc<Data>, submissions: Arc<Submissions>) {
    let mut every = tokio::time::interval(PURGE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        remove("what was trashed", &data, |data| Ok(data.entries().purge()? + data.entries().trusted().purge()?)).await;
        remove("sessions and links that are over", &data, |data| data.accounts().purge()).await;
        remove("old activity", &data, |data| data.entries().activity().forget()).await;
        remove("old messages", &submissions, |submissions| submissions.history().forget()).await;
    }
}

/// Removes something, where it may block, and says so in the log.
async fn remove<D, N>(what: &'static str, data: &Arc<D>, work: fn(&D) -> Result<N, Problem>)
where
    D: Send + Sync + 'static,
    N: std::fmt::Display + Default + PartialEq + Send + 'static,
{
    let data = Arc::clone(data);
    match tokio::task::spawn_blocking(move || work(&data)).await {
        Ok(Ok(count)) if count == N::default() => {}
        Ok(Ok(count)) => tracing::info!(%count, what, "removed"),
        Ok(Err(problem)) => tracing::warn!(?problem, what, "can't be removed"),
        Err(error) => tracing::error!(%error, what, "removing it broke off"),
    }
}

/// Where and how the page is served.
struct Listening {
    addr: SocketAddr,
    public: Option<PublicUrl>,
    links_url: Option<PublicUrl>,
    tls: Option<PageTls>,
    proxies: Proxies,
}

impl Listening {
    /// What the options say together, or the sentence about what is missing.
    fn of(args: &ServeArgs) -> Result<Self, String> {
        let addr = parse_addr(&args.addr)?;
        let public = args.public_url.as_deref().map(PublicUrl::parse).transpose()?;
        let links_url = args.links_url.as_deref().map(PublicUrl::parse).transpose()?;
        let trusted = Proxies::parse(&args.trusted_proxies).map_err(|text| {
            format!("--trusted-proxy (POSTROOM_TRUSTED_PROXIES): “{text}” is no address and no network. Use one such as 10.0.0.5 or 10.0.0.0/24.")
        })?;
        let files = match (&args.tls_cert, &args.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate: certificate.clone(), key: key.clone() }),
            (None, None) => None,
            _ => return Err("--tls-cert and --tls-key (POSTROOM_TLS_CERT, POSTROOM_TLS_KEY) belong together; give both.".into()),
        };
        check_reach(addr, files.is_some(), !trusted.is_empty(), public.is_some())?;
        let only = !addr.ip().is_loopback() && files.is_none();
        let tls = files.map(TlsFiles::load).transpose().map_err(|error| format!("--tls-cert, --tls-key: {error}"))?;
        Ok(Self { addr, public, links_url, tls, proxies: Proxies { trusted, only } })
    }
}

/// Whether this may be listened on: beyond this machine passwords must not travel readable.
fn check_reach(addr: SocketAddr, tls: bool, proxy: bool, public: bool) -> Result<(), String> {
    let ip = addr.ip();
    if ip.is_loopback() {
        return Ok(());
    }
    if !tls && !proxy {
        return Err(format!(
            "Listening on {ip} would send passwords readable through the network. Give a certificate with --tls-cert and --tls-key, or \
             the address of the proxy that encrypts with --trusted-proxy; or use 127.0.0.1 and reach it through an SSH tunnel."
        ));
    }
    if !public {
        return Err(format!(
            "Listening on {ip} needs the address that people type, with --public-url, such as https://post.example.com: requests under \
             any other name are refused."
        ));
    }
    Ok(())
}

/// The address to listen on.
fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    text.replacen("localhost:", "127.0.0.1:", 1)
        .parse()
        .map_err(|_| format!("“{text}” isn't an address to listen on. Use IP:PORT, such as 127.0.0.1:3000."))
}

/// The address under which people reach the page.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicUrl {
    scheme: String,
    authority: String,
}

impl PublicUrl {
    fn parse(url: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "“{url}” isn't an address to reach Postroom at. Use http:// or https:// and a name, such as https://post.example.com."
            )
        };
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority))
                if !authority.as_str().contains('@')
                    && matches!(uri.path_and_query().map(http::uri::PathAndQuery::as_str), None | Some("/")) =>
            {
                Ok(Self { scheme: scheme.to_owned(), authority: authority.to_string() })
            }
            _ => Err(wrong()),
        }
    }

    /// Without a slash at its end.
    fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

fn init_log() {
    let filter = EnvFilter::try_from_env("POSTROOM_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var("POSTROOM_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().flatten_event(true).init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_this_machine_it_takes_encryption_and_a_name() {
        for addr in ["127.0.0.1:3000", "127.9.9.9:0", "[::1]:3000", "localhost:3000"] {
            assert!(check_reach(parse_addr(addr).unwrap(), false, false, false).is_ok(), "{addr}");
        }
        for addr in ["0.0.0.0:3000", "[::]:3000", "192.0.2.1:3000"] {
            let check = |tls, proxy, public| check_reach(parse_addr(addr).unwrap(), tls, proxy, public);
            assert!(check(false, false, true).unwrap_err().contains("--tls-cert"), "{addr}");
            assert!(check(true, false, false).unwrap_err().contains("--public-url"), "{addr}");
            assert!(check(false, true, false).unwrap_err().contains("--public-url"), "{addr}");
            assert!(check(true, false, true).is_ok() && check(false, true, true).is_ok(), "{addr}");
        }
        for addr in ["3000", "127.0.0.1", "example.com:3000", ""] {
            assert!(parse_addr(addr).unwrap_err().contains("isn't an address"), "{addr}");
        }
    }

    #[test]
    fn a_public_address_is_a_scheme_and_a_name() {
        let public = |url: &str| PublicUrl::parse(url).map(|public| public.url());
        assert_eq!(public("https://Post.example.com/"), Ok("https://Post.example.com".into()));
        assert_eq!(public("http://localhost:8080"), Ok("http://localhost:8080".into()));
        for url in ["post.example.com", "ftp://x", "https://user@x", "https://", "", "https://post.example.com/mail"] {
            assert!(public(url).is_err(), "{url}");
        }
    }
}
