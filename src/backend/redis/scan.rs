//! Looks for changes in a large hash in pieces, so that other changes do not wait for a read of the
//! whole hash.
//!
//! `HGETALL` of 10,000 fields takes the server and an instance some 10 ms together, and a change
//! during that time waits. `HSCAN` in pieces lets the change pass, but is not atomic. So no piece
//! is ever put in force. Each piece is compared with the known fields. Everything is read at once
//! only if a field differs and no change of this crate explains that. This is correct because
//!
//! - a scan returns each field that exists from its beginning to its end. An earlier change by
//!   another writer shows as another value, as an unknown field, or as a known field that no piece
//!   has;
//! - a change after the beginning may show or not, and is reported. The session has renewed the
//!   tracking since the last report, so another report comes, and another read follows;
//! - fields that the log names are read by name meanwhile. They are newer than the pieces and are
//!   not compared;
//! - a field that comes twice is compared twice;
//! - the values put in force come from `HGETALL`, as without a scan. Fields that one command
//!   changes are in force together, and an older value never replaces a newer one.
//!
//! Two other ways were considered. Comparing the number of log entries with that of reports does
//! not show that other writers change flags. One report stands for all changes until the hash is
//! read again. Reading less often delays a kill switch by another writer for that long.

use std::collections::HashSet;

use redis::cmd;
use tokio::time::timeout;

use super::{
    RedisHandle,
    beside::{Beside, Rights},
    connect::Connection,
    layout::{Extent, Layout, SLACK, USUAL_BYTES, Unread, if_allowed, settled},
};

/// The number of fields of a piece. A change has three round trips, and may wait for a piece at each of them.
const PIECE: usize = 100;

/// A field and its value, as they are stored.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The number of this scan, which marks the fields that it has seen.
    pub(super) number: u64,
    /// The fields that differ from the known ones.
    pub(super) different: HashSet<Vec<u8>>,
    pub(super) extent: Extent,
}

impl RedisHandle {
    /// Compares everything that is stored with the known fields, and asks the questions beside it.
    /// Returns `None` if the user may not scan, or if the scan takes longer than a read may.
    pub(super) async fn scan(
        &self,
        connection: &Connection,
        rights: &mut Rights,
    ) -> Result<Option<(Scan, Beside)>, Unread> {
        let layout = &self.settings.layout;
        let Layout::Hash(key) = layout else { return Ok(None) };
        let mut has_answered = false;
        let pieces = timeout(
            self.settings.timeouts.response,
            self.scan_pieces(connection, key, &mut has_answered),
        );
        let (beside, scan) = tokio::join!(rights.ask(layout, &connection.conn), pieces);
        let scan = match settled(scan, has_answered, connection) {
            Ok(scan) => scan,
            // Each piece is a round trip, which takes too long with a distant server.
            Err(Unread::TooSlow) => None,
            Err(unread) => return Err(unread),
        };
        rights.scan = scan.is_some();
        Ok(scan.map(|scan| (scan, beside)))
    }

    async fn scan_pieces(
        &self,
        connection: &Connection,
        key: &str,
        has_answered: &mut bool,
    ) -> Result<Option<Scan>, Unread> {
        let mut conn = connection.conn.clone();
        // Keep a larger limit: another answer may be on its way on this connection.
        connection.allowance.set_at_least(SLACK);
        let fields: usize = cmd("HLEN").arg(key).query_async(&mut conn).await?;
        *has_answered = true;
        if fields > self.settings.max_fields {
            return Err(Unread::TooMany(fields));
        }
        let mut scan = Scan { number: self.shared.fields().next_scan(), ..Scan::default() };
        scan.extent.flags = fields;
        let mut cursor = 0_u64;
        loop {
            connection.allowance.set_at_least(SLACK + PIECE * USUAL_BYTES);
            let mut piece = cmd("HSCAN");
            piece.arg(key).arg(cursor).arg("COUNT").arg(PIECE);
            let answer: Option<(u64, Vec<Pair>)> = if_allowed(piece.query_async(&mut conn).await)?;
            let Some((next, piece)) = answer else { return Ok(None) };
            scan.extent.bytes +=
                piece.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            scan.different.extend(self.shared.fields().compare(piece, scan.number));
            if next == 0 {
                return Ok(Some(scan));
            }
            cursor = next;
        }
    }
}
