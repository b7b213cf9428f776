//! Constructors of [`Redis`] for stores that one URL does not describe, and the settings of TLS.

use super::{InvalidRedis, Redis, connect::Target};

impl Redis {
    /// Returns a source of the overrides on the master with the name `master` at the sentinels at `urls`.
    ///
    /// `master` is the name, or a URL with the name in place of the host and the login at the
    /// master: `rediss://user:password@mymaster/0`. The URLs of the sentinels have the login of the
    /// sentinels.
    ///
    /// The sentinels are asked once a second. When they have chosen another master, planned or not,
    /// the source follows it. Until then, the last overrides stay in force.
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
    /// Returns an error if a URL is invalid, or if there is no sentinel.
    pub fn sentinel(
        master: &str,
        urls: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidRedis> {
        Ok(Self::at(Target::sentinel(master, urls)?))
    }

    /// Returns a source of the overrides in a cluster, of which `urls` are some nodes.
    ///
    /// The node that has the key is found through them, and followed when the key moves or another
    /// node takes over. One URL is enough while its node runs, as with [`open`](Self::open).
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
    /// Returns an error if a URL is invalid or names a database, or if there is no node.
    pub fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, InvalidRedis> {
        Ok(Self::at(Target::cluster(urls)?))
    }

    /// Trusts the authorities in `pem` for TLS, instead of those that the system trusts. Several
    /// calls add up.
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
    /// Returns an error if `pem` has no certificate in PEM form.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Result<Self, InvalidRedis> {
        self.settings.target.trust(pem.as_ref())?;
        Ok(self)
    }

    /// Sets the client certificate for TLS, for servers that ask for one: the chain, and the
    /// private key of its first certificate, both in PEM form.
    ///
    /// # Errors
    ///
    /// Returns an error if the certificate or the key is not in PEM form, or if they do not belong
    /// together.
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
