//! What a change of trust means to the entries: whatever was found out with the trust of before doesn't count any more where that
//! may have mattered. Testing says how it is now.

use std::collections::BTreeSet;

use domain::error::Problem;
use domain::run::Standing;
use domain::trust::Ground;

use super::known::Item;
use crate::store::{Proof, Target, Tested, Write};

/// What is trusted now and wasn't before, or the other way round.
#[derive(Default, PartialEq)]
pub(super) struct Change {
    /// The servers that have other pins ([`Target::text`]).
    servers: BTreeSet<String>,
    /// The authorities that went, by SHA-256.
    gone: BTreeSet<String>,
    /// Whether the machine's went.
    system_gone: bool,
    /// Whether somebody may vouch now who didn't before.
    more: bool,
}

impl Change {
    /// The machine's authorities are trusted from now on, or not any more.
    pub(super) fn of_system(on: bool) -> Self {
        Self { system_gone: !on, more: on, ..Self::default() }
    }

    /// A certificate is trusted from now on.
    pub(super) fn comes(&mut self, item: &Item) {
        match item.server() {
            Some(server) => _ = self.servers.insert(server),
            None => self.more = true,
        }
    }

    /// A certificate is trusted no longer, or in another way.
    pub(super) fn goes(&mut self, item: &Item) {
        match item.server() {
            Some(server) => _ = self.servers.insert(server),
            None => _ = self.gone.insert(item.certificate.sha256.clone()),
        }
    }

    /// Makes the entries concerned "not verified since the last change", also those in the trash, and what was tried of them but
    /// isn't saved.
    pub(super) fn carry_out(&self, tx: &mut dyn Write) -> Result<(), Problem> {
        if *self == Self::default() {
            return Ok(());
        }
        let mut concerned = Vec::new();
        tx.scan_proofs(&mut |id, proof| {
            if slots(&proof).any(|tested| self.concerns(tested, tested.target.as_ref())) {
                concerned.push((id, proof));
            }
        })?;
        for (id, mut proof) in concerned {
            let record = match tx.entry(id)? {
                Some(record) => Some(record),
                None => tx.trashed(id)?,
            };
            // What was kept before there was trust to change doesn't say where it leads; what is saved does.
            let own = record.as_ref().and_then(|record| record.content.server()).map(Target::of);
            let saved = proof.saved;
            let mut changed = false;
            for tested in [&mut proof.proven, &mut proof.tried].into_iter().flatten() {
                let own = own.as_ref().filter(|_| Some(tested.settings) == saved);
                if self.concerns(tested, tested.target.as_ref().or(own)) {
                    (tested.standing, tested.unvouched, changed) = (Standing::Changed, false, true);
                }
            }
            if changed {
                tx.put_proof(id, &proof)?;
            }
        }
        Ok(())
    }

    /// Whether it may matter to what was found out of settings that lead to `target`; where that isn't known, it may.
    fn concerns(&self, tested: &Tested, target: Option<&Target>) -> bool {
        if !matches!(tested.standing, Standing::Verified { .. } | Standing::Failing { .. })
            || target.is_some_and(|target| !target.encrypts)
        {
            return false;
        }
        let vouched = match &tested.seen {
            _ if tested.unseen => self.system_gone || !self.gone.is_empty(),
            Some(seen) => match seen.by.how {
                Ground::System => self.system_gone,
                Ground::Authority => self.gone.contains(&seen.by.sha256),
                Ground::Pin | Ground::Given => false,
            },
            // Before there was anything else to trust, whatever worked encrypted relied on the machine's.
            None => self.system_gone && tested.target.is_none() && matches!(tested.standing, Standing::Verified { .. }),
        };
        let pinned = !self.servers.is_empty() && target.is_none_or(|target| self.servers.contains(&target.text()));
        vouched || pinned || self.more && tested.unvouched
    }
}

fn slots(proof: &Proof) -> impl Iterator<Item = &Tested> {
    [&proof.proven, &proof.tried].into_iter().flatten()
}
