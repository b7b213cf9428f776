//! The last good overrides in a file, for a start while the server is away.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{Redis, layout::Raw};
use crate::backend::Sink;

impl Redis {
    /// Puts what was kept in force until the server says what it has.
    ///
    /// It reads a small file without leaving the thread, so that nobody starts without.
    pub(super) fn recall(&self, sink: &Sink) {
        let Some(path) = &self.settings.keep else { return };
        let raw = match load(path, self.settings.layout.key()) {
            Ok(raw) => raw,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                warn!(path = %path.display(), %error, "cannot read the kept overrides, ignoring them");
                return;
            }
        };
        let mut fields = self.shared.fields();
        fields.update(raw, &self.settings.layout);
        let now = SystemTime::now();
        sink.revise(fields.offer(now, &self.settings.layout));
        self.shared.next_end.send_replace(fields.next_end(now));
    }

    /// Keeps what the server says, for as long as there are flags.
    pub(super) async fn keep(&self) {
        let Some(path) = self.settings.keep.clone() else { return };
        let mut done = self.shared.changed.subscribe();
        while done.changed().await.is_ok() {
            done.borrow_and_update();
            let (path, store) = (path.clone(), self.settings.layout.key().to_owned());
            let fields = self.shared.fields().good_raw();
            let shown = path.display().to_string();
            let saved = spawn_blocking(move || save(&path, &store, fields)).await;
            if let Err(error) = saved.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
                warn!(path = shown, %error, "cannot keep the overrides for the next start");
            }
        }
    }
}

fn load(path: &Path, store: &str) -> io::Result<Raw> {
    let kept: Value = serde_json::from_slice(&fs::read(path)?)?;
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let Some(fields) = kept["fields"].as_object() else {
        return Err(invalid("it has no `fields`".to_owned()));
    };
    if kept["store"] != store {
        return Err(invalid(format!("it is of the store {}, not `{store}`", kept["store"])));
    }
    let bytes = |text: &str| text.as_bytes().to_vec();
    let fields = fields.iter().map(|(name, value)| {
        let value =
            value.as_str().ok_or_else(|| invalid(format!("field `{name}` is no string")))?;
        Ok((bytes(name), bytes(value)))
    });
    fields.collect()
}

/// Writes the file beside its place and then moves it there, so that it is never half a file.
fn save(path: &Path, store: &str, fields: Vec<(String, String)>) -> io::Result<()> {
    let fields: Map<_, _> =
        fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let text = json!({ "store": store, "fields": fields });
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = fs::File::create(&beside)?;
    file.write_all(format!("{text:#}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
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
}
