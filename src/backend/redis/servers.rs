//! The forms in which a store can be named besides one URL.

use super::{InvalidRedis, Redis, connect::Target};

impl Redis {
    /// Returns a source of the overrides on the master with the name `master` at the sentinels at `urls`.
    ///
    /// `master` is the name, or a URL with the name in place of the host, which says how to log in
    /// there: `rediss://user:password@mymaster/0`. The URLs of the sentinels have the login of the
    /// sentinels.
    ///
    /// The sentinels are asked once a second. When they have chosen another master, planned or not,
    /// it is followed; until they have, the last overrides stay in force.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Redis;
    ///
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"];
    /// let redis = Redis::sentinel("redis://flags:secret@mymaster", sentinels)?;
    /// # Ok::<(), flagstaff::source::InvalidRedis>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A URL that is none, or no sentinel at all.
    pub fn sentinel(
        master: &str,
        urls: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidRedis> {
        Ok(Self::at(Target::sentinel(master, urls)?))
    }

    /// Returns a source of the overrides in a cluster, of which `urls` are some nodes.
    ///
    /// The node that has the key is found through them, and followed when the key moves or another
    /// node takes its place. One URL is enough while its node is there, and
    /// [`open`](Self::open) does the same.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Redis;
    ///
    /// let redis = Redis::cluster(["redis://10.0.0.1:7000", "redis://10.0.0.2:7000"])?;
    /// # Ok::<(), flagstaff::source::InvalidRedis>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A URL that is none or that names a database, or no node at all.
    pub fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, InvalidRedis> {
        Ok(Self::at(Target::cluster(urls)?))
    }

    /// Trusts the authorities in `pem`, instead of those that the system trusts, with TLS. Calls
    /// add up.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use flagstaff::Redis;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redis = Redis::open("rediss://redis.internal")?.root_certificate(std::fs::read("ca.pem")?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no certificate in PEM form.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Result<Self, InvalidRedis> {
        self.settings.target.trust(pem.as_ref())?;
        Ok(self)
    }

    /// Shows a certificate to servers that ask for one with TLS: the chain, and the private key of
    /// its first certificate, both in PEM form.
    ///
    /// # Errors
    ///
    /// They are not in PEM form, or do not belong together.
    #[cfg(feature = "redis-tls")]
    pub fn client_certificate(
        mut self,
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, InvalidRedis> {
        self.settings.target.identify(chain.as_ref(), key.as_ref())?;
        Ok(self)
    }
}
