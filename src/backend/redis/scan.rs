//! Looks for changes in a large hash in pieces, so that what happens meanwhile does not wait for all of it.
//!
//! `HGETALL` of 10,000 fields takes the server and an instance some 10 ms together, and a change that is made in that time
//! waits for it. `HSCAN` in pieces lets it pass, but is not atomic. So no piece is ever put in force. It is compared with
//! what is known. Everything is read at once only if something differs that no change of this crate explains. That is
//! correct because
//!
//! - a scan returns each field that is there from its beginning to its end. What others changed before it began shows as
//!   another value, as a field that is not known, or as a known field that no piece has;
//! - what changes after it began may show or not, and is reported: the session has renewed the tracking since the last
//!   report, so another one comes, and another reading follows;
//! - fields that the log names are read by name meanwhile. They are newer than the pieces and are not compared;
//! - a field that comes twice is compared twice;
//! - what is put in force comes from `HGETALL`, as if there were no scan. Fields that one command changes are in force
//!   together, and an older value never takes the place of a newer one.
//!
//! Two other ways were considered. Counting the entries of the log against the reports does not show that others change
//! flags too, since one report stands for all changes until the hash is read again. Reading less often makes a kill switch
//! of others wait that long.

use std::collections::HashSet;

use redis::cmd;
use tokio::time::timeout;

use super::{
    RedisHandle,
    beside::{Beside, Rights},
    connect::Connection,
    layout::{Extent, Layout, SLACK, USUAL_BYTES, Unread, if_allowed, settled},
};

/// The fields of a piece. A change may wait for a piece at each of its own round trips, of which there are three.
const PIECE: usize = 100;

/// A field and its value, as they are stored.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The findings of a scan.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The number of this scan, which marks the fields that it has seen.
    pub(super) number: u64,
    /// The fields that are not as they are known.
    pub(super) different: HashSet<Vec<u8>>,
    pub(super) extent: Extent,
}

impl RedisHandle {
    /// Compares everything that is stored with what is known, and asks what is asked beside it. `None` if the user may not
    /// scan, or if that takes longer than reading may.
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
            // Each piece is a round trip. A server that is far away needs fewer of them.
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
        // Not less than what is allowed already: something else may be asked on this connection.
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
