//! The form of an entry. It is posted as it is where the program does not run; where it runs, saving and testing stay on the
//! page.

use domain::certificate::Certificate;
use domain::entry::Version;
use domain::error::ApiError;
use domain::fax::FaxTemplate;
use domain::field::Field;
use domain::link::Language;
use domain::oauth::{Provider, Strategy};
use domain::run::{History, RunId};
use domain::size::Size;
use domain::smtp_server::{Kind, MinTls, PasswordDraft, Protocol, SecretInput, ServerDraft, ServerPatch, StartTls, TestDraft};
#[cfg(feature = "hydrate")]
use domain::transcript::{Event, What, headline};
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use super::history::HistoryList;
use super::inspection::PLACE;
#[cfg(feature = "hydrate")]
use super::inspection::{Trusting, VERDICT};
#[cfg(feature = "hydrate")]
use super::report::OUTCOME;
use super::report::{Report, Told};
use super::stale::Stale;
use crate::api::{Failure, save_server};
use crate::components::{
    CheckField, ChoiceField, ErrorNotice, ExpiringMarks, FormState, LinkField, MoreAbout, NOTICE, PasswordFields, SelectField,
    SignInMark, StandingView, TextField, ends, field_id, short_name,
};
use crate::pages::{EntryData, Look, Rights};

/// What the page is doing, beside testing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    Saving,
    /// Nothing, after a save.
    Saved,
}

/// A test that goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Running {
    /// Its number, once it has one.
    run: Option<RunId>,
    /// For how long.
    seconds: u32,
}

/// What stands under the buttons of "Try it".
#[derive(Clone)]
enum Shown {
    /// A test.
    Test(Box<Told>),
    /// The server is being asked for its certificate.
    #[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser waits"))]
    Asking,
    /// The panel of its certificate, and what was typed then.
    Look(Box<ServerDraft>),
}

impl Shown {
    fn test(told: Told) -> Self {
        Self::Test(Box::new(told))
    }

    /// Whether it came of something else than `now`.
    fn is_outdated(&self, now: &ServerDraft) -> bool {
        match self {
            Self::Test(told) => told.is_outdated(now),
            Self::Asking => false,
            Self::Look(typed) => **typed != *now,
        }
    }
}

/// What is stored, as far as this page knows.
struct Stored {
    draft: ServerDraft,
    /// The version an edit starts from.
    version: Version,
    has_password: bool,
}

/// What the page is, beside its fields.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) state: FormState,
    stored: RwSignal<Stored>,
    pub(super) error: RwSignal<Option<ApiError>>,
    shown: RwSignal<Option<Shown>>,
    running: RwSignal<Option<Running>>,
    history: RwSignal<History>,
    doing: RwSignal<Doing>,
    id: domain::entry::EntryId,
}

impl Page {
    fn unsaved(self) -> bool {
        self.state.draft.with(|d| self.stored.with(|s| *d != s.draft))
            || self.state.password.with(|p| *p != PasswordDraft::default())
    }

    /// Whether the server is being talked to.
    fn is_trying(self) -> bool {
        self.running.with(Option::is_some) || self.is_asking()
    }

    fn is_asking(self) -> bool {
        self.shown.with(|shown| matches!(shown, Some(Shown::Asking)))
    }

    /// What is typed, as the API takes it; or the focus on the first field that is wrong.
    fn patch(self, test: bool) -> Option<ServerPatch> {
        self.state.submitted.set(true);
        if test {
            self.state.touch(Field::TestFrom);
            self.state.touch(Field::TestTo);
            self.state.touch(Field::TestAttachment);
        }
        let draft = self.state.draft.get_untracked();
        let password = self.state.password.get_untracked();
        let checked = draft.check(&password);
        let test_is_wrong = test && self.state.test.with_untracked(|t| t.check(&draft).is_err());
        match checked {
            Ok(checked) if !test_is_wrong => {
                let mut patch = ServerPatch::of(&checked.server, checked.default);
                // Somebody may have chosen another default since: only a change of it is meant.
                if self.stored.with_untracked(|stored| stored.draft.default == checked.default) {
                    patch.default = None;
                }
                patch.password = match checked.password {
                    domain::secret::SecretChange::Keep => None,
                    domain::secret::SecretChange::Clear => Some(None),
                    domain::secret::SecretChange::Set(secret) => Some(Some(SecretInput::Value(secret))),
                };
                Some(patch)
            }
            _ => {
                self.focus_first_error();
                None
            }
        }
    }

    fn focus_first_error(self) {
        #[cfg(feature = "hydrate")]
        crate::browser::unfold_mistakes();
        if let Some(field) = self.state.first_error() {
            focus(field_id(field));
        }
    }

    fn refused(self, failure: Failure) {
        self.state.refused(&failure.0);
        let on_fields = !failure.0.fields.is_empty();
        self.error.set(Some(failure.0));
        if on_fields {
            self.focus_first_error();
        } else {
            focus(NOTICE.to_owned());
        }
    }

    /// Saves what is typed.
    pub(super) fn save(self) {
        let Some(patch) = self.patch(false) else { return };
        self.doing.set(Doing::Saving);
        leptos::task::spawn_local(async move {
            let sent = self.state.draft.get_untracked();
            let sent_password = self.state.password.get_untracked();
            let keeps_password = match &patch.password {
                None => self.stored.with_untracked(|stored| stored.has_password),
                Some(change) => change.is_some(),
            };
            let version = self.stored.with_untracked(|stored| stored.version);
            let result = save_server(self.id, version, patch).await;
            self.doing.set(if result.is_ok() { Doing::Saved } else { Doing::Nothing });
            match result {
                Ok(saved) => {
                    // What was typed meanwhile stays, as unsaved changes.
                    self.stored.set(Stored { draft: sent, version: saved.version, has_password: keeps_password });
                    if self.state.password.with_untracked(|typed| *typed == sent_password) {
                        self.state.password.set(PasswordDraft::default());
                    }
                    self.state.accepted();
                    self.state.submitted.set(false);
                    self.error.set(None);
                    self.refresh().await;
                }
                Err(failure) => self.refused(failure),
            }
        });
    }

    /// Asks what the tests say of the entry now.
    async fn refresh(self) {
        if let Ok(history) = crate::api::list_runs(self.id).await {
            self.history.set(history);
        }
    }

    /// Tries what is typed, and shows what happens while it does.
    #[cfg(feature = "hydrate")]
    fn test(self, check_only: bool) {
        use crate::browser::stream;

        self.state.test.update(|t| t.check_only = check_only);
        let Some(patch) = self.patch(true) else { return };
        let TestDraft { from, to, attachment, .. } = self.state.test.get_untracked();
        let attachment_bytes = Size::parse(&attachment).ok().map(Size::bytes);
        let tried = (self.state.draft.get_untracked(), self.state.test.get_untracked());
        let host = tried.0.host.trim().to_owned();
        self.error.set(None);
        self.running.set(Some(Running::default()));
        let clock = gloo_timers::callback::Interval::new(1_000, move || {
            let _ = self.running.try_update(|running| running.iter_mut().for_each(|running| running.seconds += 1));
        });
        leptos::task::spawn_local(async move {
            let _clock = clock;
            let request = crate::api::TestServer { id: Some(self.id), server: patch, from, to, attachment_bytes, check_only };
            let mut stream = match stream::open("/api/servers/test/live", &request, None).await {
                Ok(stream) => stream,
                Err(failure) => {
                    self.running.set(None);
                    return self.refused(failure);
                }
            };
            self.state.accepted();
            self.running.update(|running| running.iter_mut().for_each(|running| running.run = stream.run));
            self.shown.set(Some(Shown::test(Told { tried: Some(tried), ..Told::default() })));
            crate::browser::reveal(OUTCOME);
            loop {
                let arrived = stream.next::<Event>().await;
                let is_over = arrived.is_empty();
                let finished = arrived.iter().find_map(|event| match &event.what {
                    What::Finished(finished) => Some(headline(finished, &host)),
                    _ => None,
                });
                let is_finished = finished.is_some();
                self.tell(|told| {
                    told.headline = finished;
                    told.events.extend(arrived);
                });
                if is_finished {
                    break;
                }
                if is_over {
                    self.tell(Told::break_off);
                    self.error.set(Some(stream::broken().0));
                    break;
                }
            }
            // Whoever waits on Cancel goes on at the outcome.
            if crate::browser::has_focus(CANCEL) {
                focus(OUTCOME.to_owned());
            }
            self.running.set(None);
            crate::browser::reveal(OUTCOME);
            if let Some(run) = stream.run {
                crate::browser::replace_address(&format!("/servers/{}?run={run}", self.id));
            }
            self.refresh().await;
        });
    }

    /// Adds to what the running test tells.
    #[cfg(feature = "hydrate")]
    fn tell(self, more: impl FnOnce(&mut Told)) {
        self.shown.update(|shown| {
            if let Some(Shown::Test(told)) = shown {
                more(told);
            }
        });
    }

    /// Asks the server for its certificate, and shows it before anything is trusted; or trusts what was shown, and leads to the
    /// test that tells whether it works now.
    #[cfg(feature = "hydrate")]
    fn look(self, form: crate::browser::Form, ask: bool) {
        let typed = self.state.draft.get_untracked();
        if ask && typed.only_what_leads_there().check(&PasswordDraft::default()).is_err() {
            for field in ServerDraft::LEADS_THERE {
                self.state.touch(field);
            }
            return self.focus_first_error();
        }
        self.error.set(None);
        let before = self.shown.get_untracked();
        if ask {
            self.shown.set(Some(Shown::Asking));
        }
        leptos::task::spawn_local(async move {
            match form.post_for(PLACE).await {
                Ok(()) => {
                    self.shown.set(Some(Shown::Look(Box::new(typed))));
                    // A question, such as for the password, is read before anything goes on.
                    let question = crate::browser::count(&format!("#{PLACE} #{VERDICT}")) > 0;
                    focus(if question { VERDICT } else { CHECK }.to_owned());
                    crate::browser::reveal(PLACE);
                    // What is trusted changes what earlier tests are worth.
                    if !ask {
                        self.refresh().await;
                    }
                }
                Err(failure) => {
                    self.shown.set(before);
                    self.refused(failure);
                }
            }
        });
    }

    /// Stops the test at once. What had been sent, its last event says.
    #[cfg(feature = "hydrate")]
    fn cancel(self) {
        let Some(run) = self.running.get_untracked().and_then(|running| running.run) else { return };
        leptos::task::spawn_local(async move {
            if let Err(failure) = crate::api::cancel_run(run).await {
                self.error.set(Some(failure.0));
            }
        });
    }

    /// Shows a run of the history in the place of the last one.
    fn open_run(self, run: RunId) {
        #[cfg(feature = "hydrate")]
        leptos::task::spawn_local(async move {
            match crate::api::get_run(run).await {
                Ok(found) if self.running.get_untracked().is_none() => {
                    let now_ms = self.history.with_untracked(|history| history.now_ms);
                    self.shown.set(Some(Shown::test(Told::earlier(found, now_ms))));
                    crate::browser::replace_address(&format!("/servers/{}?run={run}", self.id));
                    focus(OUTCOME.to_owned());
                }
                Ok(_) => {}
                Err(failure) => self.refused(failure),
            }
        });
        #[cfg(not(feature = "hydrate"))]
        let _ = (self, run);
    }

    /// Goes on from another version than the one this page started from.
    pub(super) fn rebase(self, version: Version) {
        self.stored.update(|stored| stored.version = version);
        focus(SAVE.to_owned());
    }

    /// Puts what is stored now into the form, after somebody else saved.
    pub(super) fn take(self, draft: ServerDraft, version: Version, has_password: bool) {
        self.state.draft.set(draft.clone());
        self.state.password.set(PasswordDraft::default());
        self.state.accepted();
        self.stored.set(Stored { draft, version, has_password });
        self.error.set(None);
        leptos::task::spawn_local(self.refresh());
        focus(SAVE.to_owned());
    }
}

/// The page of one entry.
#[component]
pub(crate) fn Entry(data: EntryData) -> impl IntoView {
    let EntryData { view, submitted, saved, runs, shown, run_gone, now_ms } = data;
    let stored = view.draft();
    let refused = submitted.as_ref().and_then(|s| s.refused.clone());
    let password_typed = submitted.as_ref().is_some_and(|s| s.password_typed);
    let report = submitted.as_ref().and_then(|s| s.report.clone());
    let look = submitted.as_ref().and_then(|s| s.look.clone());
    let base = submitted.as_ref().map_or(view.version, |s| s.base);
    let (draft, test) = submitted.map_or_else(|| (stored.clone(), TestDraft::default()), |s| (s.draft, s.test));
    let state = FormState::new(draft.clone(), test.clone(), refused.as_ref());
    let looked = look.is_some().then(|| Shown::Look(Box::new(draft.clone())));
    let told = report.map(|report| Told::report(report, (draft, test))).or_else(|| shown.map(|run| Told::earlier(run, now_ms)));
    let page = Page {
        state,
        stored: RwSignal::new(Stored { draft: stored, version: base, has_password: view.has_password() }),
        shown: RwSignal::new(looked.or(told.map(Shown::test))),
        running: RwSignal::new(None),
        history: RwSignal::new(History { standing: view.standing.clone(), runs, now_ms }),
        error: RwSignal::new(refused),
        doing: RwSignal::new(if saved { Doing::Saved } else { Doing::Nothing }),
        id: view.id,
    };
    #[cfg(feature = "hydrate")]
    on_start(page, view.server.is_none());

    let submit = move |ev: leptos::ev::SubmitEvent| {
        ev.prevent_default();
        // A test and a save don't stand in each other's way; two of a kind would.
        #[cfg(feature = "hydrate")]
        match (crate::browser::submitter_value(&ev).as_str(), page.is_trying()) {
            (what @ ("check" | "send"), false) => page.test(what == "check"),
            ("check" | "send" | "inspect", true) => {}
            (what, _) if what == "inspect" || Trusting::parse(what).is_some() => {
                if let Some(form) = crate::browser::Form::of(&ev) {
                    page.look(form, what == "inspect");
                }
            }
            _ if page.doing.get_untracked() == Doing::Saving => {}
            _ => page.save(),
        }
        #[cfg(not(feature = "hydrate"))]
        {
            // Referenced so that both builds see the same code as used.
            let _ = Page::save as fn(Page);
        }
    };
    let rights = Rights::here();
    let name = view.name.clone();
    let version = move || page.stored.with(|stored| stored.version.0.to_string());
    let default_was = move || page.stored.with(|stored| stored.draft.default.to_string());
    view! {
        <form class="page entry" method="post" action=format!("/servers/{}", view.id) novalidate on:submit=submit>
            <p class="crumb"><a href="/">"Mail SMTP servers"</a></p>
            <div class="title sticky">
                <div>
                    <h1>{move || { let typed = state.draft.with(|d| d.name.trim().to_owned()); if typed.is_empty() { name.clone() } else { typed } }}</h1>
                    <p class="muted summary">{move || state.draft.with(words::summary)}</p>
                    <Stands page set_up=view.server.is_some()/>
                    {(!view.expiring.is_empty()).then(|| view! { <p class="ending"><ExpiringMarks expiring=view.expiring now_ms/></p> })}
                    {view.sign_in.map(|sign_in| view! {
                        <p class="ending"><SignInMark sign_in now_ms/> <a href=format!("/servers/{}/azure", view.id)>"Azure OAuth"</a></p>
                    })}
                </div>
                <div class="actions">
                    <SaveState page/>
                    <a class="button" href="/">"Back"</a>
                    {rights.change.then(|| view! {
                        <button class="primary" id=SAVE name="action" value="save" data-shortcut="save" aria-disabled=move || (page.doing.get() == Doing::Saving).then_some("true")>
                            {move || if page.doing.get() == Doing::Saving { "Saving…" } else { "Save" }}
                        </button>
                    })}
                </div>
            </div>
            <input type="hidden" name="version" prop:value=version value=version()/>
            <input type="hidden" name="default_was" prop:value=default_was value=default_was()/>
            <ErrorNotice error=page.error draft=state.draft/>
            {(!rights.change).then(|| view! { <p class="help">{rights.limits()}</p> })}
            <Stale page/>
            {password_typed.then(|| view! { <p class="notice bad">"Type the password again: it is never sent back to this page."</p> })}
            <div class="columns">
                // Whoever can't even test has nothing to type.
                <fieldset class="whole" disabled=!rights.test>
                    <legend class="hidden">"Settings"</legend>
                    <Fields page client_certificate=view.client_certificate now_ms/>
                </fieldset>
                <div class="side">
                    <TryIt page run_gone look/>
                    <HistoryList id=page.id history=page.history open=Callback::new(move |run| page.open_run(run))/>
                </div>
            </div>
        </form>
    }
}

/// Focuses an element, in the browser.
fn focus(id: String) {
    #[cfg(feature = "hydrate")]
    crate::browser::focus(id);
    #[cfg(not(feature = "hydrate"))]
    drop(id);
}

/// What happens once, when the program runs.
#[cfg(feature = "hydrate")]
fn on_start(page: Page, just_added: bool) {
    crate::browser::guard_unsaved(Signal::derive(move || page.unsaved()));
    Effect::new(move |done: Option<()>| {
        if done.is_some() {
            return;
        }
        crate::browser::replay_early_input();
        if page.error.with_untracked(Option::is_some) {
            page.focus_first_error();
        } else if just_added {
            focus(field_id(Field::Host));
        } else {
            crate::browser::focus_fragment();
        }
        if page.doing.get_untracked() == Doing::Saved {
            crate::browser::replace_address(&format!("/servers/{}", page.id));
        }
    });
}

/// What the tests say of the entry as it is saved.
#[component]
fn Stands(page: Page, set_up: bool) -> impl IntoView {
    let standing = move || page.history.with(|h| view! { <StandingView standing=h.standing.clone() now_ms=h.now_ms/> });
    view! { <p class="stands" hidden=!set_up>{standing}</p> }
}

#[component]
fn SaveState(page: Page) -> impl IntoView {
    let class = move || if page.state.wrong_fields() == 0 { "save-state" } else { "save-state bad" };
    view! {
        <p class=class role="status">
            {move || match page.state.wrong_fields() {
                0 if page.unsaved() => "Unsaved changes".to_owned(),
                0 if page.doing.get() == Doing::Saved => "Saved".to_owned(),
                0 => String::new(),
                1 => "One field needs a change".to_owned(),
                n => format!("{n} fields need a change"),
            }}
        </p>
    }
}

#[component]
fn Fields(page: Page, client_certificate: Option<Certificate>, now_ms: u64) -> impl IntoView {
    let state = page.state;
    let href = format!("/servers/{}/client-certificate", page.id);
    let azure = format!("/servers/{}/azure", page.id);
    let identified = usize::from(client_certificate.is_some());
    let link = if client_certificate.is_some() { "Change" } else { "Add one" };
    let kept = match client_certificate {
        Some(certificate) => {
            Either::Left(view! { <strong>{short_name(&certificate.subject)}</strong> ", " {ends(&certificate, now_ms)} })
        }
        None => Either::Right("None"),
    };
    let seconds = Signal::derive(move || {
        state.draft.with(|d| d.timeout_ms.trim().parse::<u32>().map_or_else(|_| String::new(), words::seconds))
    });
    let bytes = Signal::derive(move || {
        state.draft.with(|d| Size::parse(&d.attachment_threshold).map_or_else(|_| String::new(), words::bytes))
    });
    let set = move || state.draft.with(|d| d.advanced_set() + if d.applies(Field::ClientCertificate) { identified } else { 0 });
    let advanced = move || {
        let set = set();
        if set == 0 { "Advanced".to_owned() } else { format!("Advanced ({set} set)") }
    };
    // As the page comes; later only people and mistakes open it.
    let open =
        untrack(set) > 0 || Field::ALL.into_iter().any(|field| field.is_advanced() && untrack(|| state.error_of(field).is_some()));
    view! {
        <div class="fields">
            <section class="group" aria-labelledby="g-name">
                <h2 id="g-name">"This server"</h2>
                <TextField state field=Field::Name required=true/>
                <ChoiceField state field=Field::Kind choices=Kind::CHOICES/>
                <CheckField state field=Field::Default/>
            </section>
            <section class="group" aria-labelledby="g-where">
                <h2 id="g-where">"Where"</h2>
                <ChoiceField state field=Field::Protocol choices=Protocol::CHOICES/>
                <TextField state field=Field::Host required=true placeholder="smtp.example.com"/>
                <TextField state field=Field::Port inputmode="numeric"/>
                <TextField state field=Field::Timeout inputmode="numeric" note=seconds/>
            </section>
            <section class="group" aria-labelledby="g-encryption" class:inapplicable=move || !state.draft.with(|d| d.applies(Field::StartTls))>
                <h2 id="g-encryption">"Encryption"</h2>
                <SelectField state field=Field::StartTls choices=StartTls::CHOICES/>
                <CheckField state field=Field::AllowPlaintextCredentials/>
            </section>
            <section class="group" aria-labelledby="g-sign-in">
                <h2 id="g-sign-in">"Sign-in"</h2>
                <TextField state field=Field::Username/>
                <PasswordAdvice state/>
                <PasswordFields state stored=Signal::derive(move || page.stored.with(|stored| stored.has_password))/>
            </section>
            <FaxFields state/>
            <section class="group" aria-labelledby="g-sent">
                <h2 id="g-sent">"What may be sent"</h2>
                <TextField state field=Field::Sender placeholder="Scan <scan@example.com>"/>
                <CheckField state field=Field::MimeAddressStrict/>
                <CheckField state field=Field::AttachmentAsUrl/>
                <TextField state field=Field::AttachmentThreshold note=bytes/>
            </section>
            <details class="group advanced" open=open>
                <summary>{advanced}</summary>
                <CheckField state field=Field::OverrideSender/>
                <TextField state field=Field::LinkDays inputmode="numeric"/>
                <SelectField state field=Field::LinkLanguage choices=Language::CHOICES/>
                <AzureFields state href=azure/>
                <TextField state field=Field::CertificateName placeholder="mail.example.com"/>
                <SelectField state field=Field::MinTls choices=MinTls::CHOICES/>
                <LinkField state field=Field::ClientCertificate href=href link=link>{kept}</LinkField>
            </details>
        </div>
    }
}

/// What a fax gateway makes of numbers, and an example that follows what is typed.
#[component]
fn FaxFields(state: FormState) -> impl IntoView {
    let example = Memo::new(move |_| state.draft.with(words::fax_example));
    let code = Signal::derive(move || state.draft.with(words::calling_code));
    view! {
        <section class="group" aria-labelledby="g-fax" class:inapplicable=move || !state.draft.with(ServerDraft::is_fax)>
            <h2 id="g-fax">"Fax"</h2>
            <p class="help no-script">"Counts with a fax server only."</p>
            <SelectField state field=Field::FaxAddress choices=FaxTemplate::CHOICES/>
            <TextField state field=Field::FaxDomain placeholder="fax.example.com"/>
            <TextField state field=Field::FaxTemplate placeholder="fax-{number}@fax.example.com"/>
            <TextField state field=Field::FaxPrefix/>
            <TextField state field=Field::FaxCountry placeholder="DE" note=code/>
            <p class="help note" id="fax-example">
                {move || example.get().map(|example| view! {
                    "A fax to " {example.number} " goes to " <span class="machine">{example.address}</span>
                })}
            </p>
        </section>
    }
}

/// What stands beside the password of a mailbox whose provider takes none, and where it isn't one.
#[component]
fn PasswordAdvice(state: FormState) -> impl IntoView {
    let advice = Memo::new(move |_| state.draft.with(words::password_advice));
    let role = Memo::new(move |_| state.draft.with(words::password_role));
    view! {
        // Always there, so that what comes is read out.
        <div class="advice" role="status">
            {move || advice.get().map(|advice| view! { <p class="notice warning">{advice}</p> })}
            {move || role.get().map(|role| view! { <p class="notice">{role}</p> })}
        </div>
    }
}

/// Azure OAuth: what everybody needs, and folded what only few do.
#[component]
fn AzureFields(state: FormState, href: String) -> impl IntoView {
    const FOLDED: [Field; 5] =
        [Field::AzureProvider, Field::AzureAuthority, Field::AzureSignInUrl, Field::AzureScope, Field::AzureMailbox];
    let said = |field: &Field| {
        let unusual = |draft: &ServerDraft| draft.applies(*field) && !draft.is_usual(*field);
        state.draft.with_untracked(unusual) || untrack(|| state.error_of(*field).is_some())
    };
    let open = FOLDED.iter().any(said);
    view! {
        <div class="azure" role="group" aria-label="Azure OAuth">
            <CheckField state field=Field::AzureOauth/>
            <SelectField state field=Field::AzureStrategy choices=Strategy::CHOICES/>
            <TextField state field=Field::AzureApplicationId/>
            <TextField state field=Field::AzureTenant/>
            <TextField state field=Field::AzureSecretExpires placeholder="2027-01-31"/>
            <MoreAbout state field=Field::AzureStrategy href=href>"Set up and sign in"</MoreAbout>
            <details class="more" open=open class:inapplicable=move || !state.draft.with(|d| d.azure_oauth)>
                <summary>"More"</summary>
                <SelectField state field=Field::AzureProvider choices=Provider::CHOICES/>
                <TextField state field=Field::AzureAuthority/>
                <TextField state field=Field::AzureSignInUrl/>
                <TextField state field=Field::AzureScope/>
                <TextField state field=Field::AzureMailbox/>
            </details>
        </div>
    }
}

/// The element ids of the buttons "Save", "Check connection" and "Cancel", and of "Try it".
const SAVE: &str = "save";
const TRY: &str = "try";
const CHECK: &str = "check";
const CANCEL: &str = "cancel";

/// The panel, as the page came. Later the browser puts another one into its place.
#[cfg(feature = "ssr")]
fn panel(look: Option<Look>) -> impl IntoView {
    look.map(super::panel::panel)
}

#[cfg(not(feature = "ssr"))]
fn panel(_: Option<Look>) {}

#[component]
fn TryIt(page: Page, run_gone: bool, look: Option<Look>) -> impl IntoView {
    let state = page.state;
    let testing = move || page.running.with(Option::is_some);
    let trying = move || page.is_trying().then_some("true");
    let outdated =
        move || page.shown.with(|shown| shown.as_ref().is_some_and(|shown| state.draft.with(|now| shown.is_outdated(now))));
    let looks = move || page.shown.with(|shown| matches!(shown, Some(Shown::Look(_))));
    let trusted = look == Some(Look::Trusted);
    let rights = Rights::here();
    let goes_to = Signal::derive(move || {
        let to = state.draft.with(|draft| state.test.with(|test| words::fax_goes_to(draft, &test.to)));
        to.map(|to| format!("Goes to {to}")).unwrap_or_default()
    });
    let seconds = move || page.running.with(|running| running.map(|running| running.seconds));
    // Enter in these fields tries, it does not save.
    let on_enter = move |ev: leptos::ev::KeyboardEvent| {
        #[cfg(feature = "hydrate")]
        if ev.key() == "Enter" && crate::browser::is_from_input(&ev) {
            ev.prevent_default();
            if !page.is_trying() {
                page.test(false);
            }
        }
        #[cfg(not(feature = "hydrate"))]
        drop(ev);
    };
    let cancel = move |_| {
        #[cfg(feature = "hydrate")]
        page.cancel();
    };
    view! {
        <section class="group try" id=TRY tabindex="-1" aria-labelledby="g-try">
            <h2 id="g-try">"Try it"</h2>
            <p class="help">{if rights.test { "Uses what is on this page, saved or not." } else { "Takes an operator. Earlier tests stand below." }}</p>
            <div class="pair" on:keydown=on_enter hidden=!rights.test>
                <TextField state field=Field::TestFrom/>
                <TextField state field=Field::TestTo note=goes_to/>
                <TextField state field=Field::TestAttachment placeholder="12 MB"/>
            </div>
            <div class="actions" hidden=!rights.test>
                <button name="action" value="check" id=CHECK data-shortcut="test" autofocus=trusted aria-disabled=trying>"Check connection"</button>
                <button name="action" value="send" aria-disabled=trying>"Send test email"</button>
                <button name="action" value="inspect" aria-disabled=trying>"Inspect certificate"</button>
                <button type="button" id=CANCEL hidden=move || !testing() on:click=cancel>"Cancel"</button>
            </div>
            {run_gone.then(|| view! { <p class="notice">"This test isn't kept any more. The last 50 are."</p> })}
            {move || match page.shown.get() {
                Some(Shown::Test(told)) => {
                    let (outdated, seconds) = (Signal::derive(outdated), Signal::derive(seconds));
                    Some(view! { <Report told=*told outdated seconds state/> })
                }
                _ => None,
            }}
            <p role="status">{move || page.is_asking().then_some("Asking the server for its certificate…")}</p>
            <p class="muted" hidden=move || !(looks() && outdated())>"From before your change."</p>
            <div class="report" id=PLACE class:outdated=outdated hidden=move || !looks()>{panel(look)}</div>
        </section>
    }
}
