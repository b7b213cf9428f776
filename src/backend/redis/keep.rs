//! The last good overrides in a file, for a start while the server is away.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use serde_json::{Map, Value, json};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{
    RedisHandle,
    handle::Shared,
    layout::{MOST_BYTES, Raw},
};
use crate::{
    backend::Sink,
    foreign::warn,
    read,
    replace::{Readers, replace},
    text::line,
};

/// The maximum number of bytes that are read of the kept file. In JSON, a byte of a value may take
/// six.
const MOST_KEPT: u64 = 6 * MOST_BYTES as u64;

/// The rest after each write, in multiples of the time that the write took.
const REST: u32 = 10;

impl RedisHandle {
    /// Puts the kept overrides in force until the server has been read.
    ///
    /// A small file is read on this thread, so that no start misses the kept overrides.
    pub(super) fn recall(&self, sink: &Sink) {
        let Some(path) = &self.settings.keep else { return };
        if sink.in_force().is_some() {
            // The source was started again. The state from the server is newer than the file.
            return;
        }
        let raw = match load(path, self.settings.layout.key()) {
            Ok(raw) => raw,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                warn!(path = %path.display(), %error, "cannot read the kept overrides, ignoring them");
                return;
            }
        };
        let mut fields = self.shared.fields();
        fields.update(&raw.into(), &HashSet::new(), &self.settings.layout);
        let now = self.shared.now();
        sink.revise(fields.offer(now, &self.settings.layout));
        self.shared.next_end.send_replace(fields.next_end(now));
    }

    /// Keeps the overrides of the server in the file, for as long as there are flags.
    pub(super) async fn keep(&self) {
        let Some(path) = self.settings.keep.clone() else { return };
        let store = self.settings.layout.key().to_owned();
        let keeper = Arc::new(Keeper { path, store, shared: Arc::clone(&self.shared) });
        // Keep the overrides that the flags had last, even if the flags end before the write.
        let changed = self.shared.changed.subscribe();
        let mut last = Last { keeper: Arc::clone(&keeper), changed, is_due: false };
        while last.changed.changed().await.is_ok() {
            last.is_due = true;
            let keeper = Arc::clone(&keeper);
            let start = Instant::now();
            // The log has the panic already.
            let _ = spawn_blocking(move || keeper.save_or_warn()).await;
            last.is_due = false;
            // Each write is of all overrides, which may be many and change often.
            sleep(start.elapsed() * REST).await;
        }
    }
}

/// The writer of the file.
#[derive(Debug)]
struct Keeper {
    path: PathBuf,
    store: String,
    shared: Arc<Shared>,
}

impl Keeper {
    fn save(&self) -> io::Result<()> {
        // Take the turn before reading the fields, so that a later writer writes later values.
        let _turn = self.shared.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let fields = self.shared.fields().good_raw();
        save(&self.path, &self.store, fields)
    }

    fn save_or_warn(&self) {
        if let Err(error) = self.save() {
            let path = self.path.display();
            warn!(%path, %error, "cannot keep the overrides for the next start");
        }
    }
}

/// A guard that saves on drop if a save is due.
#[derive(Debug)]
struct Last {
    keeper: Arc<Keeper>,
    changed: watch::Receiver<()>,
    is_due: bool,
}

// A destructor must not call foreign code, such as a subscriber of the log. The previous saves have
// logged a path that cannot be written to.
impl Drop for Last {
    fn drop(&mut self) {
        if self.is_due || self.changed.has_changed().unwrap_or(false) {
            let _ = self.keeper.save();
        }
    }
}

fn load(path: &Path, store: &str) -> io::Result<Raw> {
    let kept: Value = serde_json::from_slice(&read::all(read::open(path)?, MOST_KEPT)?)?;
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let Some(fields) = kept["fields"].as_object() else {
        return Err(invalid("it has no `fields`".to_owned()));
    };
    if kept["store"] != store {
        return Err(invalid(format!(
            "it is of the store {}, not `{store}`",
            line(&kept["store"].to_string())
        )));
    }
    let bytes = |text: &str| text.as_bytes().to_vec();
    let fields = fields.iter().map(|(name, value)| {
        let value = value
            .as_str()
            .ok_or_else(|| invalid(format!("field `{}` is not a string", line(name))))?;
        Ok((bytes(name), bytes(value)))
    });
    fields.collect()
}

/// Replaces the file in one step, so that it is never half-written.
fn save(path: &Path, store: &str, fields: Vec<(String, String)>) -> io::Result<()> {
    let fields: Map<_, _> =
        fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let text = json!({ "store": store, "fields": fields });
    // Only the owner may read it: the users and reasons in a store are not for all accounts of the
    // machine.
    replace(path, format!("{text:#}\n").as_bytes(), Readers::Owner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("overrides.json");
        let fields = vec![("a".to_owned(), "1".to_owned()), ("ä".to_owned(), "{\"x\"".to_owned())];

        save(&path, "feature_flags", fields.clone()).unwrap();

        let mut raw: Vec<_> = load(&path, "feature_flags").unwrap().into_iter().collect();
        raw.sort_unstable();
        let bytes = fields.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes()));
        assert!(raw.into_iter().eq(bytes));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_not_kept_for_this_store_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("overrides.json");
        save(&path, "feature_flags", Vec::new()).unwrap();

        assert_eq!(
            load(&path, "others").unwrap_err().to_string(),
            "it is of the store \"feature_flags\", not `others`"
        );
        for garbage in ["", "[]", "{\"store\": \"others\"}"] {
            fs::write(&path, garbage).unwrap();
            assert_ne!(load(&path, "others").unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_is_not_read_although_it_has_what_was_kept() {
        let directory = tempfile::tempdir().unwrap();
        let [kept, fifo] = ["overrides.json", "fifo"].map(|name| directory.path().join(name));
        save(&kept, "feature_flags", Vec::new()).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let (text, writer) = (fs::read(&kept).unwrap(), fifo.clone());
        // The write blocks until a reader opens the FIFO, for as long as the process lives.
        std::thread::spawn(move || fs::write(writer, text));

        let error = load(&fifo, "feature_flags").unwrap_err();

        assert_eq!(error.to_string(), "not a regular file");
    }

    #[cfg(unix)]
    #[test]
    fn no_link_beside_the_kept_file_is_followed_and_only_its_owner_reads_it() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "old").unwrap();
        symlink(&victim, directory.path().join("overrides.json.new")).unwrap();
        let path = directory.path().join("overrides.json");

        save(&path, "feature_flags", Vec::new()).unwrap();

        assert_eq!(fs::read_to_string(&victim).unwrap(), "old");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}
