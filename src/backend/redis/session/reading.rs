//! The complete reads of a session, and what they put in force.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use tokio::time::Instant;

use super::{Beginning, Care, Ended, Found, Session, pace::Pace};
use crate::{
    backend::redis::{
        OnLostStore, RedisError, RedisErrorKind, Settings,
        beside::{self, Beside},
        clock::Offset,
        connect::Connection,
        fields::Update,
        layout::{Layout, Reading, SLACK, Unread},
        scan::Scan,
    },
    foreign::warn,
};

impl Session<'_> {
    /// Begins to read everything, beside the flags that are reported meanwhile.
    pub(super) fn begin(&mut self) {
        self.due = None;
        if self.reading.is_some() {
            return;
        }
        if self.memory.care == Care::Blocked {
            self.memory.care = Care::Lengths;
        }
        let scans = self.may_scan();
        self.newer.clear();
        self.others_change = false;
        self.read_at = Instant::now();
        let (redis, main) = (self.redis.clone(), Arc::clone(&self.connection));
        let known = self.reader.take().filter(|reader| !reader.is_over());
        let (mut rights, care) = (self.memory.rights, self.memory.care);
        let needs_own = self.memory.rights.log.may_ask() && self.pace.is_large;
        self.reading = Some(Box::pin(async move {
            let Settings { target, layout, timeouts, .. } = &*redis.settings;
            let reader = match known {
                Some(reader) => reader,
                None if needs_own => {
                    // If the server accepts no other connection, use the one that exists.
                    let own = target.connect(layout.key(), timeouts, None).await;
                    own.map_or(main, Arc::new)
                }
                None => main,
            };
            let found = async {
                if scans && let Some((scan, beside)) = redis.scan(&reader, &mut rights).await? {
                    return Ok((Found::Scanned(scan), beside));
                }
                let (reading, beside) = redis.read_whole(&reader, care, &mut rights).await?;
                Ok((Found::All(reading), beside))
            };
            let found = found.await;
            Beginning { reader, rights, found }
        }));
    }

    /// Returns `true` if a scan is likely to find no difference.
    fn may_scan(&self) -> bool {
        // Without reports, no flag is read by name meanwhile, so none would have to wait.
        self.tracked
            && self.memory.rights.scan
            && !self.others_change
            && !self.is_refused
            && self.memory.care == Care::Usual
            && matches!(self.redis.settings.layout, Layout::Hash(_))
    }

    pub(super) async fn end(&mut self, begun: Beginning) -> Result<(), Ended> {
        let Beginning { reader, rights, found } = begun;
        self.reading = None;
        if found.is_ok() {
            self.memory.rights = rights;
        }
        let is_main = Arc::ptr_eq(&reader, &self.connection);
        if !is_main {
            self.reader = Some(Arc::clone(&reader));
        }
        match self.take(found, &reader).await {
            // Only the connection of the read has ended.
            Err(Ended::Careless) if !is_main => {
                self.due = Some(Instant::now());
                Ok(())
            }
            taken => taken,
        }
    }

    /// Reads everything, and publishes it if it differs.
    pub(super) async fn read(&mut self) -> Result<(), Ended> {
        (self.due, self.reading) = (None, None);
        self.newer.clear();
        self.read_at = Instant::now();
        let connection = Arc::clone(&self.connection);
        let care = self.memory.care;
        let whole = self.redis.read_whole(&connection, care, &mut self.memory.rights).await;
        self.take(whole.map(|(reading, beside)| (Found::All(reading), beside)), &connection).await
    }

    /// Takes the result of a read.
    async fn take(
        &mut self,
        found: Result<(Found, Beside), Unread>,
        connection: &Connection,
    ) -> Result<(), Ended> {
        self.unread = 0;
        match found {
            Ok((found, beside)) => {
                if self.memory.rights.log.is_given() {
                    self.memory.log_was_large = None;
                }
                match found {
                    Found::All(reading) => self.put_in_force(&reading, beside).await,
                    Found::Scanned(scan) => self.end_scan(scan, beside).await,
                }
            }
            Err(Unread::TooLarge(_)) if self.memory.care == Care::Usual => {
                self.memory.care = Care::Lengths;
                Err(Ended::Careless)
            }
            Err(Unread::LargeLog) => {
                // Reading the log again at once would end one connection after the other.
                self.memory.rights.log.put_off();
                if self.memory.log_was_large.replace(Instant::now()).is_none() {
                    let log = self.redis.settings.layout.log();
                    warn!(
                        log,
                        "the log has an entry that is too large, so changes are not followed by it"
                    );
                }
                Err(Ended::Careless)
            }
            Err(unread @ Unread::TooMany(_)) => {
                let error = self.redis.unread(connection, unread);
                if !std::mem::replace(&mut self.is_refused, true) {
                    self.sink.fail(error);
                }
                Ok(())
            }
            Err(unread) => {
                if matches!(unread, Unread::TooLarge(_)) {
                    self.memory.care = Care::Blocked;
                }
                Err(self.redis.unread(connection, unread).into())
            }
        }
    }

    /// Reads everything if a scan has found a change that the log does not have.
    async fn end_scan(&mut self, scan: Scan, beside: Beside) -> Result<(), Ended> {
        let mut different = scan.different;
        different.extend(self.redis.shared.fields().unseen(scan.number).cloned());
        different.retain(|flag| !self.newer.contains(flag));
        if !different.is_empty() {
            // The scan may have found the change before its report came.
            self.follow_log(BTreeSet::new()).await?;
            different.retain(|flag| !self.newer.contains(flag));
        }
        if !different.is_empty() {
            self.others_change = true;
            self.begin();
            return Ok(());
        }
        self.evictions = beside.evictions.or(self.evictions);
        let (moved, offset) = self.note_time(&beside);
        if let Some(link) = beside.link {
            return Err(self.master_down(&link));
        }
        if moved {
            self.publish(&self.redis.shared.fields(), Update::Nothing);
        } else {
            self.sink.confirm();
        }
        self.report_clock(offset);
        self.pace = Pace::of(scan.extent, self.tracked);
        self.saw(beside.revision);
        Ok(())
    }

    async fn put_in_force(&mut self, reading: &Reading, beside: Beside) -> Result<(), Ended> {
        let redis = self.redis;
        let (settings, shared) = (&redis.settings, &redis.shared);
        let was_evicted = self.keep_evicted(reading).await?;
        self.evictions = beside.evictions.or(self.evictions);

        let mut fields = shared.fields();
        let is_gone = reading.is_empty() && fields.len() > 0 && self.memory.evicted.is_empty();
        if !self.was_up && is_gone {
            let lost = self.error(RedisErrorKind::LostStore);
            match settings.on_lost_store {
                OnLostStore::Accept => self.sink.fail(lost),
                OnLostStore::Hold => return Err(lost.into()),
            }
        }
        let (moved, offset) = self.note_time(&beside);
        if let Some(link) = beside.link {
            // An old state is better than none for a process that starts now.
            if !reading.is_empty() {
                fields.update(reading, &self.newer, &settings.layout);
                self.sink.revise(fields.offer(redis.shared.now(), &settings.layout));
            }
            return Err(self.master_down(&link));
        }
        let newer: HashSet<_> = self.newer.union(&self.memory.evicted).cloned().collect();
        let mut update = fields.update(reading, &newer, &settings.layout);
        let is_evicted = !self.memory.evicted.is_empty();
        let was_shown = std::mem::replace(&mut self.memory.is_eviction_shown, is_evicted);
        if was_evicted || was_shown != is_evicted {
            update = Update::Problems;
        }
        self.is_refused = false;
        if update == Update::Nothing && self.was_up && !moved {
            self.sink.confirm();
        } else {
            self.publish(&fields, update);
            shared.changed.send_replace(());
        }
        drop(fields);
        self.report_clock(offset);
        self.was_up = true;
        self.pace = Pace::of(reading.extent(), self.tracked);
        if self.memory.care == Care::Lengths && !reading.needs_care() {
            self.memory.care = Care::Usual;
        }
        self.saw(beside.revision);
        Ok(())
    }

    /// Records the server's time. Returns `true` if the offset has changed, and the offset if it
    /// has to be reported.
    fn note_time(&self, beside: &Beside) -> (bool, Option<Offset>) {
        match beside.time {
            Some(asked) => self.redis.shared.clock.note(asked),
            None => (false, None),
        }
    }

    fn report_clock(&self, offset: Option<Offset>) {
        if let Some(offset) = offset {
            // The source has not failed: its overrides end in time.
            self.sink.fail(RedisError::clock(&self.connection.place, offset));
            self.sink.confirm();
        }
    }

    fn master_down(&self, link: &str) -> Ended {
        let detail = format!("its link to the master is in the state `{link}`");
        let kind = RedisErrorKind::MasterDown;
        RedisError::new(kind, &self.connection.place, Some(detail)).into()
    }

    /// Records the latest change that the log had when a read began.
    fn saw(&self, revision: Option<Option<u64>>) {
        let shared = &self.redis.shared;
        let known = (*shared.seen.borrow()).and_then(|seen| seen.revision);
        let revision = match revision {
            // Flags that were read by name meanwhile may be newer.
            Some(revision) if !self.newer.is_empty() => revision.max(known),
            Some(revision) => revision,
            None if self.memory.rights.log.is_given() => known,
            None => None,
        };
        shared.saw(revision);
    }

    /// Finds the overrides that are gone because the server was out of memory. They keep their last
    /// values. Returns `true` if there are more of them now.
    async fn keep_evicted(&mut self, reading: &Reading) -> Result<bool, Ended> {
        let layout = &self.redis.settings.layout;
        let gone = self.redis.shared.fields().gone(reading, &self.newer, layout);
        let gone: Vec<_> =
            gone.into_iter().filter(|flag| !self.memory.evicted.contains(flag)).collect();
        let mut is_news = false;
        if let Some(before) = self.evictions.filter(|_| !gone.is_empty()) {
            self.connection.allowance.set_at_least(SLACK);
            let now = beside::evictions(self.connection.conn.clone()).await;
            if now.map_err(|error| self.failed(&error))?.is_some_and(|now| now > before) {
                self.memory.evicted.extend(gone);
                is_news = true;
            }
        }
        match layout {
            // A writer has stored a new hash.
            Layout::Hash(_) if !reading.is_empty() => self.memory.evicted.clear(),
            _ => self.memory.evicted.retain(|flag| !reading.has(flag)),
        }
        Ok(is_news)
    }
}
