//! "Test all": every connection is checked, up to eight at once; each row tells how far it is.

use domain::entry::EntryId;
use domain::error::ApiError;
#[cfg(feature = "hydrate")]
use domain::run::BatchEvent;
use domain::run::Standing;
use domain::transcript::Stage;
use domain::words;
use leptos::prelude::*;

/// "Test all", while it runs and afterwards.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    /// How far it is; none before the first time.
    all: RwSignal<Option<Totals>>,
    /// What it says of entries. What they said before counts no more.
    rows: RwSignal<Vec<(EntryId, Tested)>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    works: u64,
    fails: u64,
    skipped: u64,
    end: Option<End>,
}

/// How it came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser watches"))]
enum End {
    /// Everything was tested.
    Complete,
    /// Somebody stopped it, or the connection broke.
    Stopped,
}

/// What "Test all" says of an entry.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser watches"))]
pub(super) enum Tested {
    /// It is being tested.
    Running(Stage),
    /// It was.
    Over(Standing),
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { all: RwSignal::new(None), rows: RwSignal::new(Vec::new()) }
    }

    /// What it says of an entry.
    pub(super) fn of(self, id: EntryId) -> Option<Tested> {
        self.rows.with(|rows| rows.iter().find(|row| row.0 == id).map(|row| row.1.clone()))
    }

    fn is_running(self) -> bool {
        self.all.with(|all| all.is_some_and(|totals| totals.end.is_none()))
    }

    #[cfg(feature = "hydrate")]
    fn take(self, event: BatchEvent) {
        use domain::transcript::Outcome;

        let set = |id: EntryId, tested: Tested| {
            self.rows.update(|rows| match rows.iter_mut().find(|(known, _)| *known == id) {
                Some((_, row)) => *row = tested,
                None => rows.push((id, tested)),
            });
        };
        let count = |update: fn(&mut Totals)| self.all.update(|all| all.iter_mut().for_each(update));
        match event {
            BatchEvent::Begun { id, .. } => set(id, Tested::Running(Stage::Resolve)),
            BatchEvent::Stage { id, stage } => set(id, Tested::Running(stage)),
            BatchEvent::Finished { id, outcome, standing, .. } => {
                // What failed without saying anything of the entry could not be tested yet.
                match (outcome, &standing) {
                    (Outcome::Sent | Outcome::Checked, _) => count(|totals| totals.works += 1),
                    (Outcome::Failed | Outcome::Unknown, Standing::Failing { .. }) => count(|totals| totals.fails += 1),
                    _ => count(|totals| totals.skipped += 1),
                }
                set(id, Tested::Over(standing));
            }
            BatchEvent::Summary { checked, failed, skipped } => {
                self.all.set(Some(Totals { works: checked, fails: failed, skipped, end: Some(End::Complete) }));
            }
        }
    }

    /// Tests every entry, and shows each as it goes on.
    #[cfg(feature = "hydrate")]
    fn start(self, stop: StoredValue<Option<crate::browser::stream::Stop>, LocalStorage>, refused: RwSignal<Option<ApiError>>) {
        use crate::browser::stream;

        if self.is_running() {
            return;
        }
        let stopper = stream::stopper();
        stop.set_value(stopper.clone());
        refused.set(None);
        self.rows.set(Vec::new());
        self.all.set(Some(Totals::default()));
        leptos::task::spawn_local(async move {
            match stream::open("/api/servers/test-all", &serde_json::Map::new(), stopper.as_ref()).await {
                Ok(mut stream) => loop {
                    let arrived = stream.next::<BatchEvent>().await;
                    if arrived.is_empty() {
                        break;
                    }
                    for event in arrived {
                        self.take(event);
                    }
                },
                Err(failure) => refused.set(Some(failure.0)),
            }
            // What was stopped, or broke off, is over as well.
            self.rows.update(|rows| rows.retain(|(_, tested)| matches!(tested, Tested::Over(_))));
            // Whoever waits on Stop goes on at the button that starts it.
            if crate::browser::has_focus(STOP) {
                crate::browser::focus(START.to_owned());
            }
            self.all.update(|all| all.iter_mut().for_each(|totals| totals.end = totals.end.or(Some(End::Stopped))));
        });
    }
}

/// The element ids of the buttons.
const START: &str = "test-all";
const STOP: &str = "stop";

/// The button "Test all". Without the program it is a form that answers when everything is tested.
#[component]
pub(super) fn TestAll(batch: Batch, refused: RwSignal<Option<ApiError>>, hidden: bool) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    let stop = StoredValue::new_local(None::<crate::browser::stream::Stop>);
    let start = move |ev: leptos::ev::SubmitEvent| {
        ev.prevent_default();
        #[cfg(feature = "hydrate")]
        batch.start(stop, refused);
        #[cfg(not(feature = "hydrate"))]
        let _ = refused;
    };
    let end = move |_| {
        #[cfg(feature = "hydrate")]
        stop.with_value(|stop| stop.iter().for_each(crate::browser::stream::Stop::now));
    };
    view! {
        <form method="post" action="/servers/test-all" class="actions" hidden=hidden on:submit=start>
            <button type="button" id=STOP hidden=move || !batch.is_running() on:click=end>"Stop"</button>
            <button id=START aria-disabled=move || batch.is_running().then_some("true") title="Checks every connection; nothing is sent">"Test all"</button>
        </form>
    }
}

/// How far "Test all" is, and what came out.
#[component]
pub(super) fn Progress(batch: Batch) -> impl IntoView {
    let text = move || {
        batch.all.get().map(|Totals { works, fails, skipped, end }| {
            let skipped = if skipped > 0 { format!(", {} not tested", words::grouped(skipped)) } else { String::new() };
            let verb = if works == 1 { "works" } else { "work" };
            let so_far = format!("{} {verb}, {} failed{skipped}.", words::grouped(works), words::grouped(fails));
            match end {
                None => format!("Testing every connection… {so_far}"),
                Some(End::Complete) => format!("Tested all: {so_far} Nothing was sent."),
                Some(End::Stopped) => format!("Stopped: {so_far} Nothing was sent."),
            }
        })
    };
    // Every number would be too much to listen to: the start and the end are said.
    let said = move || {
        batch.all.get().map(|totals| if totals.end.is_some() { text() } else { Some("Testing every connection".to_owned()) })
    };
    view! {
        <p class="muted" aria-hidden=move || batch.all.with(Option::is_some).then_some("true")>
            {move || text().unwrap_or_else(|| "How applications here send mail.".to_owned())}
        </p>
        <p class="hidden" role="status">{said}</p>
    }
}
