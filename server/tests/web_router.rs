//! The router over a backend that remembers: what is answered, what is refused, and what then did not happen.

#![expect(clippy::unwrap_used, reason = "what can't be read fails the test")]

#[path = "web_router/access.rs"]
mod access;
#[path = "web_router/links.rs"]
mod links;
#[path = "web_router/messages.rs"]
mod messages;
#[path = "web_router/sign_ins.rs"]
mod sign_ins;

use std::sync::{Arc, Mutex};

use app::api::{Saved, Trashed};
use app::backend::{
    Access, Backend, Caller, Certificates, Edit, Events, Gate, LiveRun, Made, Offer, Origin, Records, SessionState, Shown,
    SignedIn, Typed, Welcome,
};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use domain::access::{
    AccessError, AccessField, Account, AccountId, Act, Me, NewToken, Permit, Role, Session, SessionId, Token, TokenId, Verb, Who,
};
use domain::activity::{ActivityPage, ActivityQuery, Change, Deed, ExportFormat, Happening, Line, Subject};
use domain::certificate::Certificate;
use domain::entry::{EntryId, EntryPage, EntryView, ListPage, ListQuery, TrashPlan, UndoOffer, Version};
use domain::error::{Problem, Stale};
use domain::exchange::{ExportSecrets, ImportFate, ImportItem, ImportPlan, Imported, MAX_FILE};
use domain::field::{Field, FieldError, FieldErrors};
use domain::run::{BatchEvent, History, Run, RunId, RunMode, RunSummary, Standing};
use domain::secret::Secret;
use domain::smtp_server::{ServerPatch, TestDraft};
use domain::transcript::{Event, Finished, Outcome, Stage, What};
use domain::trust::{
    ClientCertificateError, Expiring, Fate, Finding, FindingKind, Format, ImportError, Inspection, Needed, NewPin, Pin, Presented,
    Preview, PreviewItem, Store, SystemRoots, TrustId, TrustPage, TrustTrashPlan, TrustUndo, Trusted,
};
use futures::stream;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use server::web::{Hosts, Peer, Web, router};
use tower::ServiceExt;

/// Remembers the calls that change or try something, and answers from a short script.
#[derive(Default)]
struct Fake {
    caller: Caller,
    calls: Arc<Mutex<Vec<String>>>,
    confirmed: Arc<Mutex<bool>>,
}

impl Fake {
    /// Where a call came from, for what is remembered.
    fn from(&self) -> String {
        if self.caller.address.is_empty() { String::new() } else { format!(" from {}", self.caller.address) }
    }

    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

const PASSWORD: &str = "canary-horse-battery";

const NOW: u64 = 1_795_425_120_000;
/// What the server of entry 1 presents.
const LEAF: &str = "-----BEGIN CERTIFICATE-----\nbGVhZg==\n-----END CERTIFICATE-----\n";
const ISSUER: &str = "-----BEGIN CERTIFICATE-----\naXNzdWVy\n-----END CERTIFICATE-----\n";
/// Texts come from outside: none of them is markup.
const HOSTILE: &str = "<script>alert(1)</script>\"'&";

fn certificate(name: &str, not_after: &str) -> Certificate {
    Certificate {
        subject: format!("CN={name}, O=Example"),
        names: vec![name.into()],
        issuer: "CN=Example Root, O=Example".into(),
        not_before: "2024-01-01T00:00:00Z".into(),
        not_after: not_after.into(),
        sha256: format!("{:02x}", name.len()).repeat(32),
        key: "ECDSA P-256".into(),
        serial: "01ab".into(),
        ..Certificate::default()
    }
}

fn authority() -> Trusted {
    Trusted {
        id: TrustId(1),
        certificate: certificate("Example Root", "2040-01-01T00:00:00Z"),
        pin: None,
        added_ms: NOW - 86_400_000,
        added_by: "192.0.2.7".into(),
        used_by: vec![(EntryId(1), "mail".into())],
    }
}

fn pinned() -> Trusted {
    Trusted {
        id: TrustId(2),
        certificate: certificate("mail.old.example", "2026-11-20T00:00:00Z"),
        pin: Some(Pin { host: "mail.old.example".into(), port: 587, outlives: false }),
        used_by: vec![],
        ..authority()
    }
}

/// Lets in whoever shows one of the sessions and tokens that it knows, and whoever shows nothing as `stranger`.
struct Door {
    calls: Arc<Mutex<Vec<String>>>,
    stranger: Permit,
    /// Whether there is an account.
    set_up: bool,
    /// Whether the session "stale" has seen its password since.
    confirmed: Arc<Mutex<bool>>,
}

impl Door {
    fn new(stranger: Permit) -> Self {
        Self { calls: Arc::default(), stranger, set_up: true, confirmed: Arc::default() }
    }

    fn caller(&self, shown: &Shown) -> Result<Caller, Problem> {
        let who = Who::Account { id: AccountId(1), name: "anna".into() };
        let state = |awaits_code, fresh| SessionState { id: SessionId(1), awaits_code, fresh, idle_left_ms: 1_800_000 };
        let (permit, session) = match shown {
            Shown::Nothing => return Ok(Caller { permit: self.stranger.clone(), ..Caller::default() }),
            Shown::Token(token) => {
                let role = Role::parse(token.expose()).ok_or(Problem::NotSignedIn)?;
                let who = Who::Token { id: TokenId(1), name: "scanner".into() };
                return Ok(Caller { who, permit: Permit { token: true, ..Permit::of(role) }, ..Caller::default() });
            }
            Shown::Session(session) => match session.expose() {
                "half" => (Permit::default(), state(true, false)),
                "stale" => (Permit::of(Role::Administrator), state(false, *self.confirmed.lock().unwrap())),
                session => match Role::parse(session) {
                    Some(role) => (Permit::of(role), state(false, true)),
                    None => return Ok(Caller::default()),
                },
            },
        };
        Ok(Caller { who, permit, session: Some(session), ..Caller::default() })
    }

    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    fn signed_in(session: &str) -> SignedIn {
        SignedIn { session: Secret::new(session.into()), needs_code: session == "half" }
    }
}

const LINK: &str = "link-to-a-password";
const CODE: &str = "123456";

#[async_trait]
impl Gate for Door {
    async fn enter(&self, shown: Shown, address: String) -> Result<Arc<dyn Backend>, Problem> {
        let caller = Caller { address, ..self.caller(&shown)? };
        Ok(Arc::new(Fake { caller, calls: Arc::clone(&self.calls), confirmed: Arc::clone(&self.confirmed) }))
    }

    async fn is_set_up(&self) -> Result<bool, Problem> {
        Ok(self.set_up)
    }

    async fn sign_in(&self, name: String, password: Secret, from: Origin) -> Result<SignedIn, Problem> {
        if name == "hasty" {
            return Err(Problem::WaitBefore { seconds: 30 });
        }
        if password.expose() != PASSWORD {
            return Err(Problem::SignInRefused);
        }
        self.note(format!("sign in {name} {} {}", from.address, from.agent));
        Ok(Self::signed_in(if name == "ben" { "half" } else { "administrator" }))
    }

    async fn give_code(&self, session: Secret, code: Secret, _: Origin) -> Result<SignedIn, Problem> {
        if session.expose() != "half" {
            return Err(Problem::NotSignedIn);
        }
        if code.expose() != CODE {
            return Err(Problem::SignInRefused);
        }
        self.note("code");
        Ok(Self::signed_in("administrator"))
    }

    async fn sign_out(&self, session: Secret, _: Origin) -> Result<(), Problem> {
        self.note(format!("sign out {}", session.expose()));
        Ok(())
    }

    async fn welcome(&self, link: Secret, _: Origin) -> Result<Welcome, Problem> {
        match link.expose() {
            LINK => Ok(Welcome { name: Some(HOSTILE.into()), second_factor: true }),
            "first" => Ok(Welcome { name: None, second_factor: false }),
            _ => Err(Problem::LinkGone),
        }
    }

    async fn accept(&self, link: Secret, name: String, new: Secret, confirm: Secret, from: Origin) -> Result<SignedIn, Problem> {
        self.welcome(link, from).await?;
        if new != confirm {
            return Err(wrong(AccessField::NewPasswordConfirm, AccessError::Differ));
        }
        self.note(format!("accept {name}"));
        Ok(Self::signed_in("administrator"))
    }
}

fn wrong(field: AccessField, error: AccessError) -> Problem {
    Problem::InvalidAccess(vec![(field, error)])
}

fn account(id: u64, name: &str) -> Account {
    Account {
        id: AccountId(id),
        name: name.into(),
        role: Role::Administrator,
        has_password: true,
        second_factor: true,
        added_ms: NOW - 86_400_000,
        last_sign_in_ms: Some(NOW - 60_000),
        invited_until_ms: Some(NOW + 60_000),
        sessions: 2,
    }
}

impl Fake {
    /// Refuses what is sensitive while the password was typed too long ago.
    fn fresh(&self) -> Result<(), Problem> {
        let fresh = self.caller.session.is_none_or(|session| session.fresh);
        if fresh { Ok(()) } else { Err(Problem::ConfirmPassword) }
    }
}

#[async_trait]
impl Access for Fake {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn refuse(&self, act: Act) -> Problem {
        Problem::NotAllowed { act }
    }

    async fn me(&self) -> Result<Me, Problem> {
        let session = |id, current, agent: &str| Session {
            id: SessionId(id),
            current,
            since_ms: NOW - 120_000,
            seen_ms: NOW - 60_000,
            address: "192.0.2.7".into(),
            agent: agent.into(),
        };
        Ok(Me {
            account: account(1, "anna"),
            recovery_codes: 9,
            sessions: vec![session(1, true, "Mozilla/5.0 (X11; Linux) Firefox/140.0"), session(2, false, HOSTILE)],
            now_ms: NOW,
        })
    }

    async fn confirm(&self, password: Secret) -> Result<SignedIn, Problem> {
        if password.expose() != PASSWORD {
            return Err(wrong(AccessField::Password, AccessError::Wrong));
        }
        self.note("confirm");
        *self.confirmed.lock().unwrap() = true;
        Ok(SignedIn { session: Secret::new("stale".into()), needs_code: false })
    }

    async fn change_password(&self, current: Secret, new: Secret, confirm: Secret) -> Result<SignedIn, Problem> {
        if current.expose() != PASSWORD {
            return Err(wrong(AccessField::Password, AccessError::Wrong));
        }
        if new != confirm {
            return Err(wrong(AccessField::NewPasswordConfirm, AccessError::Differ));
        }
        self.note("change password");
        Ok(Door::signed_in("viewer"))
    }

    async fn end_sessions(&self, which: Option<SessionId>) -> Result<u64, Problem> {
        self.note(format!("end sessions {}", which.map_or("others".into(), |id| id.to_string())));
        Ok(1)
    }

    async fn offer_second_factor(&self) -> Result<Offer, Problem> {
        self.fresh()?;
        self.note("offer");
        Ok(offer())
    }

    async fn offered_second_factor(&self) -> Result<Option<Offer>, Problem> {
        Ok(Some(offer()))
    }

    async fn second_factor_on(&self, code: Secret) -> Result<Vec<Secret>, Problem> {
        if code.expose() != CODE {
            return Err(Problem::CodeWrong);
        }
        self.note("second factor on");
        Ok(codes())
    }

    async fn second_factor_off(&self) -> Result<(), Problem> {
        self.fresh()?;
        self.note("second factor off");
        Ok(())
    }

    async fn new_recovery_codes(&self) -> Result<Vec<Secret>, Problem> {
        self.fresh()?;
        self.note("recovery codes");
        Ok(codes())
    }

    async fn accounts(&self) -> Result<Vec<Account>, Problem> {
        Ok(vec![account(1, "anna"), account(2, HOSTILE)])
    }

    async fn add_account(&self, name: String, role: String) -> Result<Made<AccountId>, Problem> {
        self.fresh()?;
        if name == "taken" {
            return Err(wrong(AccessField::Name, AccessError::NameTaken));
        }
        self.note(format!("add account {name} {role}"));
        Ok(Made { id: AccountId(3), secret: Secret::new(LINK.into()) })
    }

    async fn set_role(&self, id: AccountId, role: Role) -> Result<(), Problem> {
        self.fresh()?;
        if id == AccountId(1) {
            return Err(Problem::LastAdministrator);
        }
        self.note(format!("role {id} {}", role.key()));
        Ok(())
    }

    async fn reset_password(&self, id: AccountId, second_factor: bool) -> Result<Made<AccountId>, Problem> {
        self.fresh()?;
        self.note(format!("reset {id} {second_factor}"));
        Ok(Made { id, secret: Secret::new(LINK.into()) })
    }

    async fn remove_account(&self, id: AccountId) -> Result<(), Problem> {
        self.fresh()?;
        self.note(format!("remove account {id}"));
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<Token>, Problem> {
        Ok(vec![Token {
            id: TokenId(1),
            name: HOSTILE.into(),
            permit: Permit { verbs: Some(vec![Verb::Test]), entries: Some(vec![EntryId(1)]), ..Permit::of(Role::Operator) },
            entry_names: vec![HOSTILE.into()],
            made_ms: NOW - 86_400_000,
            made_by: HOSTILE.into(),
            expires_ms: Some(NOW + 86_400_000),
            used_ms: Some(NOW - 60_000),
            used_from: "192.0.2.9".into(),
        }])
    }

    async fn make_token(&self, new: NewToken) -> Result<Made<TokenId>, Problem> {
        self.fresh()?;
        if new.name.is_empty() {
            return Err(wrong(AccessField::TokenName, AccessError::Missing));
        }
        let NewToken { name, role, entries, verbs, days } = new;
        self.note(format!("make token {name} {} {entries:?} {verbs:?} {days:?}", role.key()));
        Ok(Made { id: TokenId(2), secret: Secret::new("pr_token".into()) })
    }

    async fn revoke_token(&self, id: TokenId) -> Result<(), Problem> {
        self.fresh()?;
        self.note(format!("revoke {id}"));
        Ok(())
    }
}

fn offer() -> Offer {
    Offer {
        secret: Secret::new("JBSWY3DPEHPK3PXP".into()),
        uri: Secret::new("otpauth://totp/Postroom:anna?secret=JBSWY3DPEHPK3PXP".into()),
    }
}

fn codes() -> Vec<Secret> {
    ["aaaa-bbbb", "cccc-dddd"].map(|code| Secret::new(code.into())).into()
}

#[async_trait]
impl Records for Fake {
    async fn activity(&self, query: ActivityQuery) -> Result<ActivityPage, Problem> {
        if query.from == "yesterday" {
            return Err(Problem::Malformed { detail: format!("“{HOSTILE}” isn't a day") });
        }
        if query.who == "nobody" {
            return Ok(ActivityPage { lines: vec![], next: None, total: 2, now_ms: NOW });
        }
        Ok(ActivityPage { lines: vec![line()], next: Some(7), total: 1234, now_ms: NOW })
    }

    async fn export_activity(&self, query: ActivityQuery, format: ExportFormat) -> Result<Events<Vec<u8>>, Problem> {
        if query.from == "yesterday" {
            return Err(Problem::Malformed { detail: "it isn't a day".into() });
        }
        let part = format!("{format:?} {} {:?}\n", query.search, query.deed);
        Ok(Box::pin(stream::iter([part.into_bytes(), b"end\n".to_vec()])))
    }

    async fn export_servers(&self, ids: Vec<EntryId>, secrets: ExportSecrets) -> Result<String, Problem> {
        match ids.iter().find(|id| id.0 != 1) {
            Some(unknown) => Err(Problem::NoSuchEntry(*unknown)),
            None => Ok(format!("{{\"of\": {}, \"secrets\": \"{secrets:?}\"}}", ids.len())),
        }
    }

    async fn plan_import(&self, file: Vec<u8>) -> Result<ImportPlan, Problem> {
        if file == b"nothing" {
            return Err(Problem::NotImportable { detail: format!("{HOSTILE}.") });
        }
        let item = |at, name: &str, fate, needs_password| ImportItem { at, name: name.into(), fate, needs_password };
        let changes = line().what.changes;
        Ok(ImportPlan {
            items: vec![
                item(0, "new", ImportFate::Added, true),
                item(1, "mail", ImportFate::Changed { changes }, false),
                item(2, "same", ImportFate::Unchanged, false),
                item(3, HOSTILE, ImportFate::Refused { sentences: vec![HOSTILE.into()] }, false),
            ],
            default: Some(HOSTILE.into()),
            text: format!("[{HOSTILE}]"),
        })
    }

    async fn import_servers(&self, text: String, only: Option<Vec<usize>>) -> Result<Imported, Problem> {
        if only.as_ref().is_some_and(Vec::is_empty) {
            return Err(Problem::NothingChosen);
        }
        if text.contains("full") {
            return Err(Problem::DiskFull);
        }
        self.note(format!("import {} {only:?}{}", text.len(), self.from()));
        Ok(Imported { added: vec![EntryId(2)], changed: vec![EntryId(1)], unchanged: 0 })
    }
}

/// What somebody did whose name and values come from outside.
fn line() -> Line {
    let change = |field: &str, old: Option<&str>, new: Option<&str>, secret| Change {
        field: field.into(),
        old: old.map(Into::into),
        new: new.map(Into::into),
        secret,
    };
    let what = Happening {
        who: Who::Account { id: AccountId(1), name: HOSTILE.into() },
        address: "192.0.2.7".into(),
        deed: Deed::ServerSaved,
        subjects: (0..5).map(|n| Subject { kind: "server".into(), id: Some(n), name: format!("mail-{n}{HOSTILE}") }).collect(),
        changes: vec![
            change("port", Some("25"), Some("587"), false),
            change("sender", Some(""), Some(HOSTILE), false),
            change("password", None, None, true),
        ],
        detail: HOSTILE.into(),
    };
    Line { number: 8, at_ms: NOW - 300_000, what }
}

#[async_trait]
impl Certificates for Fake {
    async fn trusted(&self) -> Result<TrustPage, Problem> {
        let system =
            SystemRoots { on: true, count: 141, source: "certs".into(), error: None, used_by: vec![(EntryId(1), "mail".into())] };
        let undo = Some(TrustUndo { batch: 7, subjects: vec![format!("CN={HOSTILE}")], left_ms: 9_000 });
        Ok(TrustPage { system, items: vec![authority(), pinned()], undo, now_ms: NOW })
    }

    async fn preview(&self, file: Vec<u8>, password: Secret) -> Result<Preview, Problem> {
        if file == b"nothing" {
            return Err(Problem::NotImported(ImportError::NoCertificate { format: Format::Pem }));
        }
        if file == b"locked" {
            return Err(Problem::NotImported(ImportError::PasswordWrong { store: Store::Java }));
        }
        self.note(format!("preview {} password:{}", file.len(), password.expose() == PASSWORD));
        let item = |label: &str, certificate, fate| PreviewItem { label: label.into(), certificate, fate };
        let items = vec![
            item("alias", Some(certificate("New Root", "2040-01-01T00:00:00Z")), Fate::New),
            item("", Some(certificate("Example Root", "2040-01-01T00:00:00Z")), Fate::Already),
            item(HOSTILE, None, Fate::PrivateKey),
        ];
        Ok(Preview { items, pem: ISSUER.into(), now_ms: NOW })
    }

    async fn add_authorities(&self, pem: String, only: Option<Vec<String>>) -> Result<Vec<TrustId>, Problem> {
        if pem != ISSUER {
            return Err(Problem::TooManyCertificates { max: 2 });
        }
        let count = only.map_or("all".into(), |only| only.len().to_string());
        self.note(format!("add {count}{}", self.from()));
        Ok(vec![TrustId(3)])
    }

    async fn pin(&self, pin: NewPin) -> Result<TrustId, Problem> {
        self.fresh()?;
        if pin.pem != LEAF {
            return Err(Problem::NotOneCertificate);
        }
        let NewPin { host, port, outlives, replace, .. } = pin;
        self.note(format!("pin {host}:{port} outlives:{outlives} replace:{replace}{}", self.from()));
        Ok(TrustId(3))
    }

    async fn set_outlives(&self, id: TrustId, outlives: bool) -> Result<(), Problem> {
        if id != TrustId(2) {
            return Err(Problem::NoSuchCertificate(id));
        }
        self.note(format!("outlives {id} {outlives}"));
        Ok(())
    }

    async fn set_system_roots(&self, on: bool) -> Result<(), Problem> {
        self.note(format!("system {on}"));
        Ok(())
    }

    async fn trust_trash_plan(&self, ids: Vec<TrustId>) -> Result<TrustTrashPlan, Problem> {
        if ids.is_empty() {
            return Err(Problem::NoCertificateChosen);
        }
        Ok(TrustTrashPlan { going: vec![authority(), pinned()], now_ms: NOW })
    }

    async fn trash_trusted(&self, ids: Vec<TrustId>) -> Result<TrustUndo, Problem> {
        if let Some(unknown) = ids.iter().find(|id| id.0 > 2) {
            return Err(Problem::NoSuchCertificate(*unknown));
        }
        if ids.is_empty() {
            return Err(Problem::NoCertificateChosen);
        }
        self.note(format!("trash certificates {}", ids.len()));
        Ok(TrustUndo { batch: 7, subjects: vec![], left_ms: 10_000 })
    }

    async fn undo_trusted(&self, batch: u64) -> Result<Vec<TrustId>, Problem> {
        if batch != 7 {
            return Err(Problem::UndoGone);
        }
        self.note("undo certificates");
        Ok(vec![TrustId(2)])
    }

    async fn export_trusted(&self, ids: Vec<TrustId>) -> Result<String, Problem> {
        match ids.iter().find(|id| id.0 > 2) {
            Some(unknown) => Err(Problem::NoSuchCertificate(*unknown)),
            None => Ok(format!("# {} of them\n{ISSUER}", ids.len())),
        }
    }

    async fn inspect(&self, id: Option<EntryId>, edit: Edit) -> Result<Inspection, Problem> {
        let host = match edit {
            Edit::Form(typed) => typed.draft.host.clone(),
            Edit::Patch(patch) => patch.host.unwrap_or_default(),
        };
        if host.contains(' ') {
            return Err(Problem::Invalid(FieldErrors::one(Field::Host, FieldError::Required)));
        }
        self.note(format!("inspect {} {host}{}", id.map_or("-".into(), |id| id.to_string()), self.from()));
        let presented =
            |name: &str, pem: &str| Presented { certificate: certificate(name, "2026-11-20T00:00:00Z"), pem: pem.into() };
        let finding = |kind, words: &str| Finding { kind, words: words.into() };
        Ok(Inspection {
            host,
            port: 587,
            chain: vec![presented(HOSTILE, LEAF), presented("Example Issuing CA", ISSUER)],
            findings: vec![
                finding(FindingKind::UnknownIssuer, "Issued by an authority this machine does not know."),
                finding(FindingKind::Expired, "Expired on 2026-11-20."),
                finding(FindingKind::Changed, "Another certificate is pinned here."),
            ],
            issuer: Some(1),
            pinned: vec![pinned()],
            headline: "Not trusted.".into(),
            events: events(),
            now_ms: NOW,
        })
    }

    async fn set_client_certificate(&self, id: EntryId, base: Version, file: Option<(Vec<u8>, Secret)>) -> Result<Saved, Problem> {
        if base != Version(3) {
            return Err(Problem::Stale(Box::new(Stale { version: Version(3), current: None })));
        }
        match file {
            Some((file, _)) if file == b"nothing" => return Err(not_kept(ClientCertificateError::NoCertificate)),
            Some((file, _)) if file == b"locked" => {
                return Err(not_kept(ImportError::PasswordWrong { store: Store::Pkcs12 }.into()));
            }
            Some((file, password)) => {
                self.note(format!("client {id} {} password:{}", file.len(), password.expose() == PASSWORD));
            }
            None => self.note(format!("client {id} removed")),
        }
        Ok(Saved { id, version: Version(4) })
    }
}

fn not_kept(error: ClientCertificateError) -> Problem {
    Problem::Invalid(FieldErrors::one(Field::ClientCertificate, FieldError::ClientCertificate(error)))
}

#[async_trait]
impl Backend for Fake {
    async fn list(&self, query: ListQuery) -> Result<ListPage, Problem> {
        if query.search == "broken" {
            return Err(Problem::Disk { detail: "I/O error".into() });
        }
        Ok(ListPage { page: 1, pages: 1, ..ListPage::default() })
    }

    async fn suggest_name(&self) -> Result<String, Problem> {
        Ok("mail".into())
    }

    async fn entry(&self, id: EntryId) -> Result<EntryView, Problem> {
        if id.0 != 1 {
            return Err(Problem::NoSuchEntry(id));
        }
        Ok(EntryView {
            id,
            version: Version(3),
            name: "mail".into(),
            server: None,
            any_default: false,
            standing: Standing::Never,
            client_certificate: Some(certificate("postroom", "2026-12-01T00:00:00Z")),
            expiring: vec![Expiring {
                role: Needed::Client,
                subject: "CN=postroom".into(),
                not_after: "2026-12-01T00:00:00Z".into(),
            }],
            sign_in: None,
        })
    }

    async fn create(&self, patch: ServerPatch) -> Result<Saved, Problem> {
        let name = patch.name.unwrap_or_default();
        if name == "taken" {
            return Err(Problem::Invalid(FieldErrors::one(Field::Name, FieldError::NameTaken { name })));
        }
        self.note(format!("create {name}"));
        Ok(Saved { id: EntryId(1), version: Version(1) })
    }

    async fn save(&self, id: EntryId, base: Version, edit: Edit) -> Result<Saved, Problem> {
        if base.0 != 3 {
            return Err(Problem::Stale(Box::new(Stale { version: Version(3), current: None })));
        }
        let Edit::Form(typed) = edit else {
            self.note(format!("save {id}"));
            return Ok(Saved { id, version: Version(4) });
        };
        let Typed { draft, password, .. } = *typed;
        draft.check(&password).map_err(Problem::Invalid)?;
        self.note(format!("save {id} {} password:{}", draft.host, password.password.expose() == PASSWORD));
        Ok(Saved { id, version: Version(4) })
    }

    async fn trash_plan(&self, ids: Vec<EntryId>) -> Result<TrashPlan, Problem> {
        if ids.is_empty() {
            return Err(Problem::NothingChosen);
        }
        Ok(TrashPlan { going: ids.into_iter().map(|id| (id, "mail".into())).collect(), heirs: vec![] })
    }

    async fn trash(&self, ids: Vec<EntryId>, _new_default: Option<EntryId>) -> Result<Trashed, Problem> {
        self.note(format!("trash {}", ids.len()));
        Ok(Trashed { undo: UndoOffer { batch: 7, names: vec!["mail".into()], left_ms: 10_000 }, next: Some(EntryId(2)) })
    }

    async fn undo(&self, batch: u64) -> Result<Vec<EntryId>, Problem> {
        if batch != 7 {
            return Err(Problem::UndoGone);
        }
        self.note("undo");
        Ok(vec![EntryId(1)])
    }

    async fn entry_page(&self, id: EntryId, run: Option<RunId>) -> Result<EntryPage, Problem> {
        let shown = run.and_then(recorded);
        Ok(EntryPage {
            view: self.entry(id).await?,
            runs: recorded(RunId(7)).map(|run| run.summary).into_iter().collect(),
            shown,
            now_ms: NOW,
        })
    }

    async fn start_test(&self, id: Option<EntryId>, _edit: Edit, test: TestDraft) -> Result<LiveRun, Problem> {
        if id == Some(EntryId(99)) {
            return Err(Problem::NoSuchEntry(EntryId(99)));
        }
        self.note(format!("test {} {}{}", test.to, test.check_only, self.from()));
        Ok(LiveRun { run: RunId(7), host: "mail.test".into(), events: Box::pin(stream::iter(events())) })
    }

    async fn cancel(&self, run: RunId) -> Result<bool, Problem> {
        self.note(format!("cancel {run}"));
        Ok(run == RunId(7))
    }

    async fn history(&self, id: EntryId) -> Result<History, Problem> {
        self.entry(id).await?;
        Ok(History { standing: Standing::Changed, runs: vec![], now_ms: 5 })
    }

    async fn run(&self, run: RunId) -> Result<Run, Problem> {
        recorded(run).ok_or(Problem::NoSuchRun(run))
    }

    async fn test_all(&self, ids: Option<Vec<EntryId>>) -> Result<Events<BatchEvent>, Problem> {
        if ids.as_ref().is_some_and(Vec::is_empty) {
            return Err(Problem::NothingChosen);
        }
        self.note(format!("test-all {}", ids.map_or("all".into(), |ids| ids.len().to_string())));
        let id = EntryId(1);
        Ok(Box::pin(stream::iter([
            BatchEvent::Begun { id, name: "mail".into(), run: RunId(7) },
            BatchEvent::Finished { id, outcome: Outcome::Checked, headline: "Checked.".into(), standing: Standing::Never },
            BatchEvent::Summary { checked: 1, failed: 0, skipped: 0 },
        ])))
    }
}

fn events() -> Vec<Event> {
    vec![
        Event { what: What::Begun { stage: Stage::Resolve }, elapsed_ms: 0 },
        Event { what: What::Finished(Finished::new(Outcome::Sent, Stage::Accepted)), elapsed_ms: 9 },
    ]
}

/// The only run there is.
fn recorded(run: RunId) -> Option<Run> {
    let finished = Finished::new(Outcome::Sent, Stage::Accepted);
    let summary = RunSummary::of(run, 1_800_000_000_000, "192.0.2.7".into(), RunMode::Send, "mail.test", &finished, 9);
    (run == RunId(7)).then(|| Run { summary, events: events() })
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

struct Site {
    calls: Arc<Mutex<Vec<String>>>,
    router: Router,
}

impl Site {
    fn new() -> Self {
        Self::behind(Door::new(Permit::of(Role::Administrator)))
    }

    fn behind(door: Door) -> Self {
        let calls = Arc::clone(&door.calls);
        let router = router(Web::new(Arc::new(door), Hosts::new(Some("post.example.com"))));
        Self { calls, router }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        // Between two texts stands a mark of Leptos'.
        let body = String::from_utf8_lossy(&body).replace("<!>", "");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).header(header::HOST, "127.0.0.1:3000").body(Body::empty()).unwrap()).await
    }

    async fn form(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "127.0.0.1:3000")
            .header(header::ORIGIN, "http://127.0.0.1:3000")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }

    async fn json(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "localhost:3000")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

fn error_of(answer: &Answer) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))["error"].clone()
}

#[tokio::test]
async fn every_page_answers_with_careful_headers_and_is_not_kept() {
    let site = Site::new();
    for path in [
        "/",
        "/servers/new",
        "/servers/1",
        "/servers/trash?id=1",
        "/servers/1/client-certificate",
        "/servers/1/azure",
        "/servers/3/azure?device",
        "/certificates",
        "/certificates?added=3",
        "/certificates/import",
        "/certificates/trash?id=1&id=2",
        "/activity",
        "/activity?search=mail&deed=server_saved&before=7",
        "/servers/import",
        "/servers/import?added=1&changed=2",
        "/links",
        "/links?search=mail&state=live&before=7",
        "/links/1/revoke",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("'nonce-"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert!(answer.body.contains("<h1"), "{path}");
        assert!(!answer.body.contains(" style="), "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_there_says_so_to_people_and_programs() {
    let site = Site::new();
    for path in [
        "/nothing",
        "/servers/99",
        "/servers/abc",
        "/servers/1/2",
        "/servers/18446744073709551616",
        "/servers/99/client-certificate",
        "/servers/abc/client-certificate",
        "/servers/99/azure",
        "/servers/abc/azure",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.contains("Mail SMTP servers"), "{path} has no way back");
    }
    for path in ["/api/nothing", "/api/servers/get?id=99"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, error_of(&answer)), (StatusCode::NOT_FOUND, "not_found".into()), "{path}");
    }
    let answer = site.get("/assets/nothing.js").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_api_answers_json_with_the_status_that_fits() {
    let site = Site::new();
    let answer = site.json("/api/servers/create", r#"{"server": {"name": "mail"}}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"id":1,"version":1}"#));
    for (path, body, status, kind) in [
        ("/api/servers/create", r#"{"server": {"name": "taken"}}"#, 422, "invalid"),
        ("/api/servers/create", r#"{"server": {"nonsense": 1}}"#, 400, "malformed"),
        ("/api/servers/create", "{", 400, "malformed"),
        ("/api/servers/create", "", 400, "malformed"),
        ("/api/servers/save", r#"{"id": 1, "version": 2, "server": {}}"#, 409, "stale"),
        ("/api/servers/save", r#"{"id": -1, "version": 2, "server": {}}"#, 400, "malformed"),
        ("/api/servers/undo", r#"{"batch": 8}"#, 410, "undo_gone"),
    ] {
        let answer = site.json(path, body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (status, kind.into()), "{path} {body}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{path} {body}");
    }
    let answer = site.get("/api/servers?search=broken").await;
    assert_eq!((answer.status.as_u16(), error_of(&answer)), (500, "storage".into()));
    assert_eq!(site.calls(), ["create mail"]);
}

#[tokio::test]
async fn an_unknown_key_is_refused_before_anything_is_done() {
    let site = Site::new();
    for (path, body) in [
        ("/api/servers/test", r#"{"id": 1, "check_onyl": true, "to": "a@example.com"}"#),
        ("/api/servers/test/live", r#"{"id": 1, "check_onyl": true, "to": "a@example.com"}"#),
        ("/api/servers/test/live?force=1", r#"{"id": 1}"#),
        ("/api/servers/test-all", r#"{"id": 1}"#),
        ("/api/runs/cancel", r#"{"run": 7, "all": true}"#),
        ("/api/servers/create", r#"{"server": {"name": "mail"}, "extra": 1}"#),
        ("/api/servers/save?force=1", r#"{"id": 1, "version": 3, "server": {}}"#),
        ("/api/servers/inspect", r#"{"id": 1, "port": 25}"#),
        ("/api/certificates/add", r#"{"pem": "", "onyl": []}"#),
        ("/api/certificates/pin", r#"{"host": "a.example", "port": 25, "pem": "", "outlive": true}"#),
        ("/api/certificates/outlives", r#"{"id": 2, "outlives": true, "all": true}"#),
        ("/api/certificates/system-roots", r#"{"on": false, "off": true}"#),
        ("/api/certificates/trash", r#"{"ids": [1], "all": true}"#),
        ("/api/certificates/undo", r#"{"batch": 7, "id": 1}"#),
        ("/api/certificates/preview", r#"{"file": "", "pasword": {"value": "x"}}"#),
        ("/api/servers/import-plan", r#"{"file": "[]", "only": [1]}"#),
        ("/api/servers/import", r#"{"file": "[]", "onyl": [1]}"#),
    ] {
        let answer = site.json(path, body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (400, "malformed".into()), "{path} {body}");
        assert!(answer.body.contains("unknown key"), "{}", answer.body);
    }
    for path in [
        "/api/servers?serch=x",
        "/api/servers/runs?id=1&run=7",
        "/api/runs/get?run=7&id=1",
        "/api/certificates?all",
        "/api/certificates/export?ids=1",
        "/api/certificates/export?id=1&all",
        "/api/activity?serch=x",
        "/api/activity?deed=burnt_down",
        "/api/activity?before=x",
        "/api/activity/export?format=xls",
        "/api/activity/export?before=7",
        "/api/servers/export?ids=1",
        "/api/servers/export?id=x",
        "/api/servers/export?secrets=all",
    ] {
        assert_eq!(site.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn the_wrong_method_is_said_with_the_right_one() {
    let site = Site::new();
    let answer = site.get("/api/servers/create").await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::METHOD_NOT_ALLOWED, "wrong_method".into()));
    assert_eq!(answer.headers[header::ALLOW], "POST");
    let request = Request::delete("/servers/new").header(header::HOST, "localhost").body(Body::empty()).unwrap();
    let answer = site.send(request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(!answer.body.is_empty());
    assert_eq!(site.get("/servers/undo").await.headers[header::LOCATION], "/");
}

#[tokio::test]
async fn no_error_quotes_a_password() {
    let site = Site::new();
    for password in [format!("\"{PASSWORD}\""), format!("{{\"{PASSWORD}\": 1}}"), format!("[\"{PASSWORD}\"]")] {
        for path in ["/api/servers/create", "/api/servers/test/live"] {
            let answer = site.json(path, &format!(r#"{{"server": {{"name": "x", "password": {password}}}}}"#)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert!(!answer.body.contains(PASSWORD), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_page_that_comes_back_keeps_the_version_it_started_from() {
    let site = Site::new();
    for action in ["check", "save"] {
        let answer = site.form("/servers/1", &format!("action={action}&version=2&name=mail&host=a.example&port=0")).await;
        assert!(answer.body.contains(r#"value="2" "#) || answer.body.contains(r#"value="2">"#), "{action}: the version moved");
        assert!(!answer.body.contains(r#"name="version" value="3""#), "{action}: the version moved");
    }
}

#[tokio::test]
async fn an_error_names_the_field() {
    let answer = Site::new().json("/api/servers/create", r#"{"server": {"name": "taken"}}"#).await;
    let error: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(error["fields"]["name"].as_str().unwrap().contains("Another server is called taken"), "{error}");
}

#[tokio::test]
async fn nothing_changes_by_get() {
    let site = Site::new();
    for path in [
        "/api/servers/create",
        "/api/servers/save",
        "/api/servers/trash",
        "/api/servers/undo",
        "/api/servers/test",
        "/api/servers/test/live",
        "/api/servers/test-all",
        "/api/runs/cancel",
        "/api/runs/cancel?run=7",
        "/servers/test-all",
        "/servers/undo",
        "/servers/trash?id=1",
        "/servers/new?name=x",
        "/servers/1?action=save&host=x",
        "/servers/edit?id=1",
        "/servers/try?id=1",
        "/servers/1?action=inspect&host=x",
        "/servers/1?action=trust&inspected_host=x",
        "/servers/1/client-certificate?version=3",
        "/servers/1/client-certificate/remove?version=3",
        "/certificates?added=3&open=2&all",
        "/certificates/import?pem=x",
        "/certificates/add?pem=x&sha256=y",
        "/certificates/trash?id=1",
        "/certificates/undo?batch=7",
        "/certificates/outlives?id=2&outlives=true",
        "/certificates/system-authorities?on=false",
        "/certificates/export",
        "/api/servers/inspect?id=1",
        "/api/certificates",
        "/api/certificates/add",
        "/api/certificates/pin",
        "/api/certificates/outlives",
        "/api/certificates/system-roots?on=false",
        "/api/certificates/trash",
        "/api/certificates/undo?batch=7",
        "/api/certificates/preview",
        "/api/certificates/export",
        "/servers/import?text=x",
        "/servers/import/confirm?text=x&at=0",
        "/servers/export",
        "/api/servers/import?file=x",
        "/api/servers/import-plan?file=x",
        "/activity/export",
    ] {
        site.get(path).await;
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let site = Site::new();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("cookie", "session=1"),
    ] {
        for path in [
            "/servers/new",
            "/servers/1",
            "/servers/trash",
            "/servers/undo",
            "/api/servers/create",
            "/api/servers/test",
            "/api/servers/test/live",
            "/api/servers/test-all",
            "/servers/test-all",
            "/api/runs/cancel",
            "/servers/1/client-certificate",
            "/servers/1/client-certificate/remove",
            "/certificates/import",
            "/certificates/add",
            "/certificates/trash",
            "/certificates/undo",
            "/certificates/outlives",
            "/certificates/system-authorities",
            "/api/servers/inspect",
            "/api/certificates/add",
            "/api/certificates/pin",
            "/api/certificates/outlives",
            "/api/certificates/system-roots",
            "/api/certificates/trash",
            "/api/certificates/undo",
            "/api/certificates/preview",
            "/servers/import",
            "/servers/import/confirm",
            "/api/servers/import",
            "/api/servers/import-plan",
        ] {
            let request = Request::post(path)
                .header(header::HOST, "127.0.0.1:3000")
                .header(name, value)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from("name=x&id=2&batch=7&action=save&version=3&on=false&outlives=true&pem=x&sha256=y"))
                .unwrap();
            assert_eq!(site.send(request).await.status, StatusCode::FORBIDDEN, "{name}: {value} {path}");
        }
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn foreign_host_names_are_refused() {
    let site = Site::new();
    for host in ["evil.example", "post.example.com.evil.example", "10.0.0.1", ""] {
        let request = Request::get("/").header(header::HOST, host).body(Body::empty()).unwrap();
        let answer = site.send(request).await;
        assert_eq!(answer.status.as_u16(), 421, "{host}");
        assert!(!answer.body.contains("<h1"));
    }
    let request = Request::get("/").header(header::HOST, "post.example.com").body(Body::empty()).unwrap();
    assert_eq!(site.send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn too_much_is_refused_unread() {
    let site = Site::new();
    let name = "x".repeat(1 << 20);
    let answer = site.form("/servers/new", &format!("name={name}")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = site.json("/api/servers/create", &format!(r#"{{"server": {{"name": "{name}"}}}}"#)).await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_form_is_answered_by_the_next_page_or_by_itself_with_what_was_typed() {
    let site = Site::new();
    let answer = site.form("/servers/new", "name=mail").await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &"/servers/1".parse().unwrap()));
    let answer = site.form("/servers/new", "name=taken").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains(r#"value="taken""#) && answer.body.contains("Another server is called taken"));
    assert!(answer.headers.get(header::LOCATION).is_none());
    assert_eq!(site.calls(), ["create mail"]);
}

#[tokio::test]
async fn an_entry_comes_back_with_every_error_and_without_the_password() {
    let site = Site::new();
    let form = format!(
        "action=save&version=3&name=mail&kind=smtp&protocol=smtp&host=a+b&port=0&timeout_ms=10000&starttls=disabled&username=anna\
         &password={PASSWORD}&password_confirm={PASSWORD}&attachment_threshold_bytes=10+MB&link_days=30&link_language=en&from=x%40example.com"
    );
    let answer = site.form("/servers/1", &form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for text in
        [r#"value="a b""#, r#"value="0""#, r#"value="anna""#, r#"value="x@example.com""#, "A host name has no spaces", "Port 0"]
    {
        assert!(answer.body.contains(text), "{text} is missing");
    }
    assert!(!answer.body.contains(PASSWORD));
    assert!(answer.body.contains("Type the password again"));
    assert_eq!(site.calls(), Vec::<String>::new());

    let answer = site.form("/servers/1", &form.replace("a+b", "a.example").replace("port=0", "port=25")).await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &"/servers/1?saved".parse().unwrap()));
    assert_eq!(site.calls(), ["save 1 a.example password:true"]);
}

#[tokio::test]
async fn a_test_without_the_program_comes_back_as_the_page_with_its_report() {
    let site = Site::new();
    let answer = site.form("/servers/1", "action=send&version=3&name=mail&host=typed.example&to=b%40example.com").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("Sent. mail.test accepted the message") && answer.body.contains(r#"value="typed.example""#));
    let answer = site.form("/servers/1", "action=check&version=3").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(site.calls(), ["test b@example.com false", "test  true"]);
}

#[tokio::test]
async fn trashing_and_undoing_lead_back_to_the_list() {
    let site = Site::new();
    let answer = site.form("/servers/trash", "id=1&id=5&search=a+b&page=2").await;
    assert_eq!(answer.headers[header::LOCATION], "/?search=a%20b&page=2#server-2");
    let answer = site.form("/servers/undo", "batch=7").await;
    assert_eq!(answer.headers[header::LOCATION], "/#server-1");
    let answer = site.form("/servers/undo", "batch=8").await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert!(answer.body.contains("Too late to undo"));
    assert_eq!(site.calls(), ["trash 2", "undo"]);
}

#[tokio::test]
async fn the_selection_leads_to_one_entry_only() {
    let site = Site::new();
    assert_eq!(site.get("/servers/edit?id=4").await.headers[header::LOCATION], "/servers/4");
    assert_eq!(site.get("/servers/try?id=4").await.headers[header::LOCATION], "/servers/4#try");
    assert!(site.get("/servers/edit?id=4&id=5").await.body.contains("Only one server"));
    assert!(site.get("/servers/edit").await.body.contains("No server was chosen"));
}

#[tokio::test]
async fn an_api_call_that_wants_html_is_never_led_to_another_site() {
    let site = Site::new();
    let request = Request::post("/api/servers/create")
        .header(header::HOST, "127.0.0.1:3000")
        .header(header::ACCEPT, "text/html")
        .header(header::REFERER, "https://evil.example/")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"server": {"name": "taken"}}"#))
        .unwrap();
    let answer = site.send(request).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(answer.headers.get(header::LOCATION).is_none());
}

/// The lines of an answer.
fn lines(answer: &Answer) -> Vec<serde_json::Value> {
    assert!(answer.body.ends_with('\n'), "the last line is whole: {}", answer.body);
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn a_live_test_is_lines_under_the_number_of_its_run() {
    let site = Site::new();
    let answer = site.json("/api/servers/test/live", r#"{"id": 1, "to": "a@example.com", "check_only": false}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers["postroom-run"], "7");
    let read: Vec<Event> = lines(&answer).into_iter().map(|line| serde_json::from_value(line).unwrap()).collect();
    assert_eq!(read, events());
    assert_eq!(site.calls(), ["test a@example.com false"]);
}

#[tokio::test]
async fn a_live_test_that_is_refused_says_so_before_the_first_line() {
    let site = Site::new();
    for (body, status, kind) in [
        (r#"{"id": 99}"#, 404, "not_found"),
        ("{", 400, "malformed"),
        ("", 400, "malformed"),
        (r#"{"id": "one"}"#, 400, "malformed"),
        (r#"{"server": {"nonsense": 1}}"#, 400, "malformed"),
        // Members in their order are no object.
        (r#"[1, {}, "a@example.org", "b@example.com", false]"#, 400, "malformed"),
        (r#"{"id": 1, "server": []}"#, 400, "malformed"),
        (r#"{"id": 1, "server": {"azure_oauth": []}}"#, 400, "malformed"),
    ] {
        let answer = site.json("/api/servers/test/live", body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (status, kind.into()), "{body}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{body}");
        assert!(!answer.headers.contains_key("postroom-run"), "{body}");
    }
    for path in ["/api/servers/test/live", "/api/servers/test-all"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, error_of(&answer)), (StatusCode::METHOD_NOT_ALLOWED, "wrong_method".into()), "{path}");
        assert_eq!(answer.headers[header::ALLOW], "POST", "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn only_an_object_is_a_body_of_the_api() {
    let site = Site::new();
    for (path, body) in [
        ("/api/servers/create", r#"[{"name": "mail"}]"#),
        ("/api/servers/save", r#"[1, 1, {"port": 25}]"#),
        ("/api/servers/trash", " [[1]]"),
        ("/api/servers/undo", "[3]"),
        ("/api/servers/test", r#"[1, {}, "", "a@example.com", false]"#),
        ("/api/servers/test-all", "[[1]]"),
        ("/api/runs/cancel", "[7]"),
        ("/api/runs/cancel", "7"),
        ("/api/runs/cancel", "null"),
        ("/api/servers/create", r#"{"server": []}"#),
        ("/api/servers/test", r#"{"id": 1, "server": []}"#),
    ] {
        let answer = site.json(path, body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (400, "malformed".into()), "{path} {body}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn who_asks_travels_with_the_test() {
    let site = Site::new();
    for path in ["/api/servers/test", "/api/servers/test/live", "/servers/1"] {
        let json = path.starts_with("/api");
        let (kind, body) = if json { ("application/json", "{}") } else { ("application/x-www-form-urlencoded", "action=check") };
        let request = Request::post(path)
            .header(header::HOST, "localhost:3000")
            .header(header::CONTENT_TYPE, kind)
            .extension(Peer([192, 0, 2, 7].into()))
            .body(Body::from(body))
            .unwrap();
        assert_eq!(site.send(request).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(site.calls(), ["test  false from 192.0.2.7", "test  false from 192.0.2.7", "test  true from 192.0.2.7"]);
}

#[tokio::test]
async fn a_run_is_cancelled_and_looked_up_by_its_number() {
    let site = Site::new();
    assert_eq!(site.json("/api/runs/cancel", r#"{"run": 7}"#).await.body, r#"{"cancelled":true}"#);
    assert_eq!(site.json("/api/runs/cancel", r#"{"run": 8}"#).await.body, r#"{"cancelled":false}"#);
    assert_eq!(site.json("/api/runs/cancel", "{}").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.calls(), ["cancel 7", "cancel 8"]);

    let answer = site.get("/api/runs/get?run=7").await;
    assert_eq!(serde_json::from_str::<Run>(&answer.body).ok(), recorded(RunId(7)));
    let answer = site.get("/api/runs/get?run=8").await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::NOT_FOUND, "not_found".into()));
    let answer = site.get("/api/servers/runs?id=1").await;
    assert_eq!(answer.body, r#"{"standing":{"state":"changed"},"runs":[],"now_ms":5}"#);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(site.get("/api/servers/runs?id=99").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn checking_all_is_lines_for_programs_and_the_list_for_people() {
    let site = Site::new();
    for (body, call) in [("{}", "test-all all"), (r#"{"ids": [1, 2]}"#, "test-all 2")] {
        let answer = site.json("/api/servers/test-all", body).await;
        assert_eq!(
            (answer.status, answer.headers[header::CONTENT_TYPE].as_bytes()),
            (StatusCode::OK, &b"application/x-ndjson"[..])
        );
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        let lines = lines(&answer);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], serde_json::json!({ "event": "summary", "checked": 1, "failed": 0, "skipped": 0 }));
        assert_eq!(site.calls().last().unwrap(), call);
    }
    let answer = site.json("/api/servers/test-all", r#"{"ids": []}"#).await;
    assert_eq!((answer.status.as_u16(), error_of(&answer)), (422, "invalid".into()));
    let answer = site.form("/servers/test-all", "").await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &"/".parse().unwrap()));
    assert_eq!(site.calls().len(), 3);
    assert_eq!(site.get("/servers/test-all").await.headers[header::LOCATION], "/");
    assert_eq!(site.calls().len(), 3, "asking for the page does nothing");
}

#[tokio::test]
async fn an_entry_s_address_may_name_a_run() {
    let site = Site::new();
    // The page's data travels in the document.
    for (path, shown, gone) in [
        ("/servers/1", false, false),
        ("/servers/1?run=7", true, false),
        ("/servers/1?run=8", false, true),
        ("/servers/1?run=x", false, true),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let data = data_of(&answer);
        assert_eq!((!data["shown"].is_null(), data["run_gone"].as_bool()), (shown, Some(gone)), "{path}");
        assert_eq!(data["runs"][0]["by"], "192.0.2.7");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

/// What a page was made of, as its document carries it.
fn data_of(answer: &Answer) -> serde_json::Value {
    page_of(answer)["Entry"].clone()
}

fn page_of(answer: &Answer) -> serde_json::Value {
    let (_, rest) = answer.body.split_once("__RESOLVED_RESOURCES[0] = ").unwrap();
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let document: serde_json::Value = serde_json::from_str(&values.next().unwrap().unwrap()).unwrap();
    document["page"].clone()
}

/// A form with a file, in parts of these names.
fn multipart(path: &str, parts: &[(&str, &str)]) -> Request<Body> {
    const BOUNDARY: &str = "----a-boundary";
    let part = |(name, value): &(&str, &str)| {
        let file = if *name == "file" { "; filename=\"f.pem\"\r\nContent-Type: application/octet-stream" } else { "" };
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    };
    let body = parts.iter().map(part).chain([format!("--{BOUNDARY}--\r\n")]).collect::<String>();
    Request::post(path)
        .header(header::HOST, "127.0.0.1:3000")
        .header(header::ORIGIN, "http://127.0.0.1:3000")
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(Body::from(body))
        .unwrap()
}

fn form_encoded(text: &str) -> String {
    app::pages::encode_query(text)
}

#[tokio::test]
async fn what_is_trusted_is_told_whole_and_as_text() {
    let site = Site::new();
    let answer = site.get("/certificates").await;
    for text in [
        "141",
        "Stop trusting them",
        "Example Root",
        "mail.old.example:587",
        "expired 3 days ago",
        "expires in 13 years",
        "0C0C 0C0C",
        "Trust it beyond its dates",
        "192.0.2.7",
        r#"href="/servers/1""#,
        "&lt;script&gt;alert(1)",
    ] {
        assert!(answer.body.contains(text), "{text} is missing in {}", answer.body);
    }
    assert!(!answer.body.contains("<script>alert"), "{}", answer.body);
    // The browser gets nothing to make a view of: it has no code for this page.
    assert_eq!(page_of(&answer), serde_json::json!("Plain"));
    assert!(answer.body.contains(r#"<a href="/certificates" aria-current="page""#), "{}", answer.body);
    assert!(site.get("/certificates?added=3").await.body.contains("3 authorities added."));
    let opened = site.get("/certificates?open=2").await.body;
    assert_eq!(opened.matches("<details open").count(), 1);
    let json: TrustPage = serde_json::from_str(&site.get("/api/certificates").await.body).unwrap();
    assert_eq!(json, Fake::default().trusted().await.unwrap());
}

#[tokio::test]
async fn the_header_marks_the_part_of_the_site() {
    let site = Site::new();
    for (path, servers, certificates) in [
        ("/", Some("page"), None),
        ("/servers/new", Some("true"), None),
        ("/servers/1", Some("true"), None),
        ("/servers/1/client-certificate", Some("true"), None),
        ("/servers/trash?id=1", Some("true"), None),
        ("/certificates", None, Some("page")),
        ("/certificates/import", None, Some("true")),
        ("/certificates/trash?id=1", None, Some("true")),
        ("/nothing", None, None),
    ] {
        let body = site.get(path).await.body;
        for (href, current) in [("/", servers), ("/certificates", certificates)] {
            let current = current.map(|current| format!(" aria-current=\"{current}\"")).unwrap_or_default();
            let end = if href == "/" { ">Mail SMTP servers</a>" } else { ">Certificates</a>" };
            assert!(body.contains(&format!("<a href=\"{href}\"{current}{end}")), "{path}: {href} is not marked as {current}");
        }
    }
}

#[tokio::test]
async fn the_switches_of_trust_do_what_they_say_and_nothing_else() {
    let site = Site::new();
    for (path, body, next, call) in [
        ("/certificates/system-authorities", "on=false", "/certificates", "system false"),
        ("/certificates/system-authorities", "on=true", "/certificates", "system true"),
        ("/certificates/outlives", "id=2&outlives=true", "/certificates?open=2#certificate-2", "outlives 2 true"),
        ("/certificates/undo", "batch=7", "/certificates#certificate-2", "undo certificates"),
        ("/certificates/trash", "id=1&id=2", "/certificates", "trash certificates 2"),
    ] {
        let answer = site.form(path, body).await;
        assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &next.parse().unwrap()), "{path}");
        assert_eq!(site.calls().last().unwrap(), call);
    }
    let before = site.calls();
    for (path, body, status, says) in [
        ("/certificates/system-authorities", "", 400, "be read"),
        ("/certificates/system-authorities", "on=maybe", 400, "be read"),
        ("/certificates/outlives", "id=9&outlives=true", 404, "no trusted certificate with the number 9"),
        ("/certificates/outlives", "id=2", 400, "be read"),
        ("/certificates/undo", "batch=8", 410, "Too late to undo"),
        ("/certificates/undo", "", 400, "nothing to undo"),
        ("/certificates/trash", "", 422, "No certificate was chosen"),
        ("/certificates/trash", "id=9", 404, "no trusted certificate with the number 9"),
    ] {
        let answer = site.form(path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}");
        assert!(answer.body.contains(says) && answer.body.contains("<h1"), "{path} {body}: {}", answer.body);
        assert_eq!(site.calls(), before, "{path} {body}");
    }
    let question = site.get("/certificates/trash?id=1&id=2").await.body;
    for text in ["Trash 2 certificates?", "Example Root", "mail.old.example:587", r#"href="/servers/1""#, "fail from the next"] {
        assert!(question.contains(text), "{text} is missing");
    }
    let nothing = site.get("/certificates/trash").await;
    assert_eq!(nothing.status.as_u16(), 422);
    assert!(nothing.body.contains("No certificate was chosen") && nothing.body.contains("Example Root"));
    for path in ["/certificates/add", "/certificates/undo", "/certificates/outlives", "/certificates/system-authorities"] {
        assert_eq!(site.get(path).await.headers[header::LOCATION], "/certificates", "{path}");
    }
    assert_eq!(site.calls(), before);
}

#[tokio::test]
async fn what_is_exported_is_a_file_of_what_was_chosen_and_nothing_else() {
    let site = Site::new();
    for path in ["/certificates/export", "/api/certificates/export"] {
        for (query, count) in [("", 0), ("?id=1&id=2", 2)] {
            let answer = site.get(&format!("{path}{query}")).await;
            assert_eq!(answer.body, format!("# {count} of them\n{ISSUER}"), "{path}{query}");
            assert_eq!(answer.headers[header::CONTENT_DISPOSITION], "attachment; filename=\"postroom-certificates.pem\"");
            assert_eq!(answer.headers[header::CONTENT_TYPE], "application/x-pem-file");
            assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        }
        // One that can't be read must not stand for all of them.
        for (query, status) in [("?id=x", 400), ("?id=", 400), ("?id=1&id=", 400), ("?id=9", 404)] {
            let answer = site.get(&format!("{path}{query}")).await;
            assert_eq!(answer.status.as_u16(), status, "{path}{query}");
            assert!(!answer.body.contains("BEGIN CERTIFICATE") && !answer.headers.contains_key(header::CONTENT_DISPOSITION));
        }
    }
    let answer = site.json("/api/certificates/export", "{}").await;
    assert_eq!((answer.status, &answer.headers[header::ALLOW]), (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap()));
}

#[tokio::test]
async fn a_file_is_shown_before_anything_of_it_is_trusted() {
    let site = Site::new();
    let answer = site.send(multipart("/certificates/import", &[("file", "store"), ("pem", ""), ("password", PASSWORD)])).await;
    assert_eq!(answer.status, StatusCode::OK);
    for text in ["1 will be added, 1 is there already, 1 is refused.", "New Root", "a private key", "Add 1 certificate", "“alias”"]
    {
        assert!(answer.body.contains(text), "{text} is missing in {}", answer.body);
    }
    assert_eq!(answer.body.matches(r#"type="checkbox""#).count(), 1 + usize::from(answer.body.contains("single-letter")));
    assert!(!answer.body.contains(PASSWORD) && !answer.body.contains("<script>alert"));
    site.send(multipart("/certificates/import", &[("file", ""), ("pem", " pasted\n"), ("password", "")])).await;
    assert_eq!(site.calls(), ["preview 5 password:true", "preview 6 password:false"]);

    let form = format!("pem={}&sha256=aa&sha256=bb", form_encoded(ISSUER));
    let answer = site.form("/certificates/add", &form).await;
    assert_eq!(
        (answer.status, &answer.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/certificates?added=1".parse().unwrap())
    );
    assert_eq!(site.calls()[2..], ["add 2"]);

    // What is refused comes back as it was, with what was ticked.
    let ticked = "0808080808080808080808080808080808080808080808080808080808080808";
    for (body, says, checked) in [
        (format!("pem={}", form_encoded(ISSUER)), "No certificate was chosen", false),
        (format!("pem=other&sha256={ticked}"), "there can be 2 trusted certificates", true),
    ] {
        let answer = site.form("/certificates/add", &body).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
        assert!(answer.body.contains(says) && answer.body.contains("New Root"), "{says}: {}", answer.body);
        assert_eq!(answer.body.contains(&format!(r#"value="{ticked}" checked"#)), checked, "{says}");
    }
    assert!(site.calls()[3..].iter().all(|call| call.starts_with("preview ")));
}

#[tokio::test]
async fn a_file_that_says_nothing_is_refused_at_its_field_and_a_form_that_is_none_clearly() {
    let site = Site::new();
    for path in ["/certificates/import", "/servers/1/client-certificate"] {
        let version = ("version", "3");
        let own = if path.starts_with("/servers") { &[version][..] } else { &[] };
        for (parts, says, at) in [
            (vec![("file", "nothing")], "certificate", "f-file-error"),
            (vec![("file", "locked")], "password", "f-store_password-error"),
            (vec![("file", ""), ("pem", " \n")], "Choose a file, or paste PEM below.", "f-file-error"),
            (vec![("file", "a"), ("pem", "b")], "not both", "f-file-error"),
        ] {
            let answer = site.send(multipart(path, &[own, &parts].concat())).await;
            assert_eq!(answer.status.as_u16(), 422, "{path} {parts:?}");
            let (_, error) = answer.body.split_once(&format!("id=\"{at}\" class=\"error\">")).unwrap();
            assert!(error.split_once("</p>").unwrap().0.contains(says), "{path} {says}: {error}");
            assert_eq!(answer.body.matches(r#"aria-invalid="true""#).count(), 1, "{path} {says}");
        }
        for parts in [
            vec![("file", "a"), ("file", "b")],
            vec![("file", "a"), ("extra", PASSWORD)],
            vec![("", "a")],
            vec![("version", "3"), ("version", "3"), ("version", "3"), ("version", "3"), ("version", "3"), ("version", "3")],
        ] {
            let answer = site.send(multipart(path, &parts)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {parts:?}");
            assert!(answer.body.contains("<h1") && !answer.body.contains(PASSWORD), "{path} {parts:?}: {}", answer.body);
        }
        let whole = multipart(path, &[("file", "a")]);
        for (kind, body) in [
            ("application/x-www-form-urlencoded", "file=a"),
            ("multipart/form-data", "file=a"),
            ("multipart/form-data; boundary=", ""),
            ("multipart/form-data; boundary=x", "file=a"),
            ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntorn"),
            ("multipart/form-data; boundary=x", "--x\r\n\r\n\r\n--x--\r\n"),
            ("application/json", "{}"),
            ("", ""),
        ] {
            let (mut parts, _) = multipart(path, &[]).into_parts();
            parts.headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            let answer = site.send(Request::from_parts(parts, Body::from(body))).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {kind} {body}");
            assert!(answer.body.contains("<h1"), "{path} {kind} {body}: {}", answer.body);
        }
        drop(whole);
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn each_route_takes_as_much_as_it_needs_and_no_more() {
    const MIB: usize = 1 << 20;
    let site = Site::new();
    let large = "A".repeat(4 * MIB);
    let answer = site.send(multipart("/certificates/import", &[("file", &large)])).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = site.json("/api/certificates/preview", &format!(r#"{{"file": "{large}"}}"#)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(site.calls(), [format!("preview {} password:false", 4 * MIB), format!("preview {} password:false", 3 * MIB)]);
    // Refused for what it says, not for its size.
    let answer = site.json("/api/certificates/add", &format!(r#"{{"pem": "{large}"}}"#)).await;
    assert_eq!((answer.status.as_u16(), error_of(&answer)), (409, "too_many_certificates".into()));
    let answer = site.form("/certificates/add", &format!("pem={large}&sha256=a")).await;
    assert_eq!(answer.status.as_u16(), 409);

    let before = site.calls();
    for (request, is_page) in [
        (multipart("/certificates/import", &[("file", &"A".repeat(5 * MIB))]), true),
        (multipart("/servers/1/client-certificate", &[("version", "3"), ("file", &"A".repeat(MIB))]), true),
    ] {
        let answer = site.send(request).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.body.contains("<h1"), is_page, "{}", answer.body);
    }
    let answer = site.json("/api/certificates/preview", &format!(r#"{{"file": "{}"}}"#, "A".repeat(6 * MIB))).await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    let answer = site.form("/certificates/add", &"A".repeat(8 * MIB)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(site.calls(), before);
}

#[tokio::test]
async fn a_script_looks_into_a_file_as_the_page_does() {
    let site = Site::new();
    let body = format!(r#"{{"file": "c3RvcmU=", "password": {{"value": "{PASSWORD}"}}}}"#);
    let answer = site.json("/api/certificates/preview", &body).await;
    let preview: Preview = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, preview.items.len()), (StatusCode::OK, 3));
    assert_eq!(site.calls(), ["preview 5 password:true"]);
    for (body, status) in [
        (r#"{"file": "c3RvcmU"}"#, 400),
        (r#"{"file": "not base64"}"#, 400),
        (r#"{"password": {"value": "x"}}"#, 400),
        (r#"{"file": "c3RvcmU=", "password": {"env": "HOME"}}"#, 400),
        (r#"{"file": "c3RvcmU=", "password": "canary-horse-battery"}"#, 400),
        (r#"{"file": ["canary-horse-battery"]}"#, 400),
        (r#"["c3RvcmU="]"#, 400),
        ("", 400),
        // "nothing".
        (r#"{"file": "bm90aGluZw=="}"#, 422),
    ] {
        let answer = site.json("/api/certificates/preview", body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.body);
        assert!(!answer.body.contains(PASSWORD), "{body}: {}", answer.body);
    }
    assert_eq!(site.calls().len(), 1);
}

#[tokio::test]
async fn the_api_of_trust_reaches_the_backend_as_it_is_meant() {
    let site = Site::new();
    let pem = |pem: &str| serde_json::to_string(pem).unwrap();
    for (path, body, answer, call) in [
        ("/api/servers/inspect", r#"{"id": 1, "server": {"host": "a.example"}}"#.to_owned(), None, "inspect 1 a.example"),
        ("/api/certificates/add", format!(r#"{{"pem": {}}}"#, pem(ISSUER)), Some("[3]"), "add all"),
        ("/api/certificates/add", format!(r#"{{"pem": {}, "only": ["aa"]}}"#, pem(ISSUER)), Some("[3]"), "add 1"),
        (
            "/api/certificates/pin",
            format!(r#"{{"host": "a.example", "port": 587, "pem": {}}}"#, pem(LEAF)),
            Some("3"),
            "pin a.example:587 outlives:false replace:false",
        ),
        ("/api/certificates/outlives", r#"{"id": 2, "outlives": true}"#.into(), Some("null"), "outlives 2 true"),
        ("/api/certificates/system-roots", r#"{"on": false}"#.into(), Some("null"), "system false"),
        ("/api/certificates/trash", r#"{"ids": [1]}"#.into(), None, "trash certificates 1"),
        ("/api/certificates/undo", r#"{"batch": 7}"#.into(), Some("[2]"), "undo certificates"),
    ] {
        let got = site.json(path, &body).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.body);
        if let Some(answer) = answer {
            assert_eq!(got.body, answer, "{path}");
        }
        assert_eq!(site.calls().last().unwrap(), call);
    }
}

/// The values of the hidden fields of what was inspected.
fn inspected(body: &str) -> String {
    app::pages::INSPECTED
        .map(|key| {
            let (_, rest) = body.split_once(&format!(r#"name="{key}" value=""#)).unwrap_or_else(|| panic!("no {key} in {body}"));
            format!("&{key}={}", form_encoded(rest.split_once('"').unwrap().0))
        })
        .concat()
}

#[tokio::test]
async fn what_was_inspected_is_shown_before_it_is_trusted_and_exactly_that_is_trusted() {
    let site = Site::new();
    let typed = format!("version=3&name=mail&host=typed.example&username=anna&password={PASSWORD}&password_confirm={PASSWORD}");
    let page = site.form("/servers/1", &format!("action=inspect&{typed}")).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        r#"value="typed.example""#,
        "This isn't the certificate that is trusted here.",
        "Issued by an authority this machine does not know.",
        "Presented now",
        "Trusted until now",
        "Trust this one instead, although it expired",
        "Trust both, although it expired",
        "Trust its issuer",
        "typed.example:587",
        "Type the password again",
    ] {
        assert!(page.body.contains(text), "{text} is missing in {}", page.body);
    }
    assert!(!page.body.contains(PASSWORD) && !page.body.contains("<script>alert"));
    assert_eq!(site.calls(), ["inspect 1 typed.example"]);

    let fields = inspected(&page.body);
    for (action, call) in [
        ("trust", "pin typed.example:587 outlives:true replace:false"),
        ("trust-instead", "pin typed.example:587 outlives:true replace:true"),
        ("trust-both", "pin typed.example:587 outlives:true replace:false"),
        ("trust-issuer", "add all"),
    ] {
        let answer = site.form("/servers/1", &format!("action={action}&{typed}{fields}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{action}");
        assert!(answer.body.contains("Trusted. Check the connection now.") && answer.body.contains(r#"value="typed.example""#));
        assert!(!answer.body.contains(PASSWORD), "{action}");
        assert_eq!(site.calls().last().unwrap(), call, "{action}");
    }
    let before = site.calls();
    for (body, status) in [
        ("action=trust&version=3".to_owned(), 400),
        ("action=trust-issuer&version=3".to_owned(), 409),
        ("action=trust&version=3&inspected_host=a&inspected_port=25&inspected_outlives=false&inspected_pem=x".to_owned(), 422),
        ("action=trust&version=3&inspected_host=a&inspected_port=99999&inspected_outlives=false".to_owned(), 400),
        ("action=inspect&version=3&host=a+b".to_owned(), 422),
    ] {
        let answer = site.form("/servers/1", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
        assert!(answer.body.contains("<h1") && !answer.body.contains("Check the connection now"), "{body}");
    }
    assert_eq!(site.calls(), before);
}

#[tokio::test]
async fn a_client_certificate_is_kept_and_removed_from_the_version_it_started_from() {
    let site = Site::new();
    let page = site.get("/servers/1/client-certificate").await.body;
    assert!(page.contains("CN=postroom, O=Example") && page.contains("expires in 8 days"), "{page}");
    let path = "/servers/1/client-certificate";
    let home = "/servers/1?saved#f-client_certificate";
    let answer = site.send(multipart(path, &[("version", "3"), ("file", "p12"), ("password", PASSWORD)])).await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &home.parse().unwrap()));
    let answer = site.form(&format!("{path}/remove"), "version=3").await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &home.parse().unwrap()));
    assert_eq!(site.calls(), ["client 1 3 password:true", "client 1 removed"]);

    for answer in [
        site.send(multipart(path, &[("version", "2"), ("file", "p12"), ("password", PASSWORD)])).await,
        site.send(multipart(path, &[("file", "p12")])).await,
        site.form(&format!("{path}/remove"), "version=2").await,
        site.form(&format!("{path}/remove"), "").await,
    ] {
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.body.contains("somebody else saved this server after you opened this page"), "{}", answer.body);
        assert!(answer.body.contains(r#"name="version" value="3""#) && !answer.body.contains(PASSWORD));
    }
    for path in ["/servers/x/client-certificate", "/servers/x/client-certificate/remove"] {
        assert_eq!(site.form(path, "version=3").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(site.calls().len(), 2);
}

#[tokio::test]
async fn a_certificate_that_ends_is_told_on_the_page_of_its_entry() {
    let body = Site::new().get("/servers/1").await.body;
    assert!(body.contains("The client certificate postroom expires in 8 days"), "{body}");
    assert!(body.contains(r#"href="/servers/1/client-certificate""#));
}

#[tokio::test]
async fn the_activity_is_shown_with_old_and_new_values_and_nothing_of_it_is_markup() {
    let site = Site::new();
    let answer = site.get("/activity?search=a%26b&who=anna&deed=server_saved&from=2026-11-01&to=2026-11-26").await;
    assert_eq!(answer.status, StatusCode::OK);
    for part in [
        "SMTP port",
        ">25<",
        ">587<",
        "another one, or none",
        "192.0.2.7",
        "5 minutes ago",
        "2026-11-23 09:07 UTC",
        "all 5",
        "1\u{202f}234 lines are kept.",
        "/activity?search=a%26b&amp;who=anna&amp;deed=server_saved&amp;from=2026-11-01&amp;to=2026-11-26&amp;before=7",
        "/activity/export?format=csv&amp;search=a%26b&amp;who=anna",
        "value=\"a&amp;b\"",
        "value=\"2026-11-01\"",
        "<option value=\"server_saved\" selected",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert!(!answer.body.contains("<script>alert"), "{}", answer.body);
    let answer = site.get("/activity?who=nobody").await;
    assert!(answer.body.contains("Nothing fits."), "{}", answer.body);
    let answer = site.get("/activity?from=yesterday").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("value=\"yesterday\"") && !answer.body.contains("<script>alert"), "what was typed stays");
    assert_eq!(site.get("/activity?deed=burnt_down").await.status, StatusCode::BAD_REQUEST);
    let answer = site.get("/api/activity?before=9&deed=server_saved").await;
    let page: ActivityPage = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((page.lines, page.next), (vec![line()], Some(7)));
}

#[tokio::test]
async fn downloads_have_a_type_and_a_name() {
    let site = Site::new();
    for (path, kind, name, body) in [
        ("/activity/export?format=csv&search=x", "text/csv; charset=utf-8", "postroom-activity.csv", "Csv x None\nend\n"),
        ("/activity/export?deed=server_saved", "text/csv; charset=utf-8", "postroom-activity.csv", "Csv  Some(ServerSaved)\nend\n"),
        ("/api/activity/export?format=jsonl", "application/x-ndjson", "postroom-activity.jsonl", "Jsonl  None\nend\n"),
        ("/servers/export", "application/json", "postroom-servers.json", "{\"of\": 0, \"secrets\": \"LeftOut\"}"),
        ("/api/servers/export?id=1&secrets=env", "application/json", "postroom-servers.json", "{\"of\": 1, \"secrets\": \"Env\"}"),
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, body), "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], kind, "{path}");
        assert_eq!(answer.headers[header::CONTENT_DISPOSITION], format!("attachment; filename=\"{name}\""), "{path}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
    for (path, status) in [
        ("/activity/export?from=yesterday", 400),
        ("/activity/export?format=xls", 400),
        ("/api/activity/export?from=yesterday", 400),
        ("/servers/export?id=99", 404),
        ("/servers/export?id=x", 400),
        ("/api/servers/export?id=99", 404),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(!answer.headers.contains_key(header::CONTENT_DISPOSITION), "{path}: nobody keeps an error as a file");
    }
}

#[tokio::test]
async fn servers_are_taken_in_after_a_look_at_what_would_change() {
    let site = Site::new();
    let answer = site.send(multipart("/servers/import", &[("file", "[]"), ("json", "")])).await;
    assert_eq!(answer.status, StatusCode::OK);
    for part in [
        "1 is new, 1 changes, 1 is like this already, 1 can't be taken in.",
        "Its password has to be entered afterwards",
        "SMTP port",
        "name=\"at\" value=\"0\"",
        "name=\"at\" value=\"1\"",
        "Import what is ticked",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert!(!answer.body.contains("value=\"2\"") && !answer.body.contains("value=\"3\""), "only what can be done has a box");
    assert!(!answer.body.contains("<script>alert"), "{}", answer.body);
    assert_eq!(site.calls(), Vec::<String>::new(), "looking keeps nothing");

    for (parts, said) in [
        ([("file", "nothing"), ("json", "")], "Nothing was imported"),
        ([("file", ""), ("json", " ")], "Choose a file, or paste its text below."),
        ([("file", "[]"), ("json", "[]")], "Either choose a file or paste its text, not both."),
    ] {
        let answer = site.send(multipart("/servers/import", &parts)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{parts:?}");
        assert!(answer.body.contains(said) && answer.body.contains("aria-invalid=\"true\""), "{parts:?}: {}", answer.body);
        assert!(!answer.body.contains("<script>alert"), "{}", answer.body);
    }
    let answer = site.form("/servers/import/confirm", "text=%5Bfull%5D&at=1").await;
    assert_eq!(answer.status.as_u16(), 507);
    assert!(
        answer.body.contains("name=\"at\" value=\"1\" checked") || answer.body.contains("value=\"1\" checked"),
        "{}",
        answer.body
    );
    let answer = site.form("/servers/import/confirm", "text=%5B%5D").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(site.calls(), Vec::<String>::new());

    let answer = site.form("/servers/import/confirm", "text=%5B%5D&at=0&at=1").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers[header::LOCATION], "/servers/import?added=1&changed=1");
    assert_eq!(site.calls(), ["import 2 Some([0, 1])"]);
    let answer = site.get("/servers/import?added=1&changed=1").await;
    assert!(answer.body.contains("Imported: 1 server added, 1 changed."), "{}", answer.body);
}

#[tokio::test]
async fn the_api_takes_a_file_of_servers_as_text() {
    let site = Site::new();
    let answer = site.json("/api/servers/import-plan", r#"{"file": "[]"}"#).await;
    let plan: ImportPlan = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, plan.items.len()), (StatusCode::OK, 4));
    let answer = site.json("/api/servers/import-plan", r#"{"file": "nothing"}"#).await;
    assert_eq!((answer.status.as_u16(), error_of(&answer)), (422, "invalid".into()));
    for body in [r#"{"file": {"password": "canary"}}"#, r#"{"only": [1]}"#, r#"{"file": "[]", "only": ["x"]}"#] {
        let answer = site.json("/api/servers/import", body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (400, "malformed".into()), "{body}");
        assert!(!answer.body.contains("canary"), "{}", answer.body);
    }
    assert_eq!(site.calls(), Vec::<String>::new());
    let answer = site.json("/api/servers/import", r#"{"file": "[]", "only": [1]}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"added":[2],"changed":[1],"unchanged":0}"#));
    assert_eq!(site.calls(), ["import 2 Some([1])"]);
    let long = format!(r#"{{"file": "{}"}}"#, " ".repeat(MAX_FILE * 2));
    assert_eq!(site.json("/api/servers/import", &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}
