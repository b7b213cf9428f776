// Generated from the flags file by flagstaff. Do not edit.

#[doc = "The flag `2fa`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const _2FA: ::flagstaff::FlagName = ::flagstaff::FlagName::new("2fa");

#[doc = "The flag `hosts`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const HOSTS: ::flagstaff::FlagName = ::flagstaff::FlagName::new("hosts");

#[doc = "The flag `match`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const MATCH: ::flagstaff::FlagName = ::flagstaff::FlagName::new("match");

#[doc = "The flag `max_upload_mb`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const MAX_UPLOAD_MB: ::flagstaff::FlagName = ::flagstaff::FlagName::new("max_upload_mb");

#[doc = "One-page \"checkout\"\n\nOwner: payments.\n\nExpires: 2027-02-01."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const NEW_CHECKOUT: ::flagstaff::FlagName = ::flagstaff::FlagName::new("new_checkout");

#[doc = "The flag `old-search`.\n\nExpires: 2026-02-01."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
#[deprecated = "expired on 2026-02-01: remove it from the code"]
pub const OLD_SEARCH: ::flagstaff::FlagName = ::flagstaff::FlagName::new("old-search");

#[doc = "The flag `payments.v2`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const PAYMENTS_V2: ::flagstaff::FlagName = ::flagstaff::FlagName::new("payments.v2");

#[doc = "The flag `pricing_page`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const PRICING_PAGE: ::flagstaff::FlagName = ::flagstaff::FlagName::new("pricing_page");

#[doc = "The variants of the flag `pricing_page`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PricingPage {
    #[doc = "`control`"]
    #[default]
    Control,
    #[doc = "`higher-price`"]
    HigherPrice,
    #[doc = "`self`"]
    Self_,
}

#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
impl PricingPage {
    /// Every variant, in the order of the file.
    pub const ALL: &'static [Self] = &[Self::Control, Self::HigherPrice, Self::Self_];

    /// Returns the variant of that name, such as the one that is served.
    pub fn from_name(name: &str) -> ::core::option::Option<Self> {
        match name {
            "control" => ::core::option::Option::Some(Self::Control),
            "higher-price" => ::core::option::Option::Some(Self::HigherPrice),
            "self" => ::core::option::Option::Some(Self::Self_),
            _ => ::core::option::Option::None,
        }
    }

    /// Returns the name of the variant in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::HigherPrice => "higher-price",
            Self::Self_ => "self",
        }
    }
}

#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
impl ::flagstaff::answer::VariantEnum for PricingPage {
    const FLAG: ::flagstaff::FlagName = ::flagstaff::FlagName::new("pricing_page");

    fn from_name(name: &str) -> ::core::option::Option<Self> {
        Self::from_name(name)
    }
}

#[doc = "The flag `region`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const REGION: ::flagstaff::FlagName = ::flagstaff::FlagName::new("region");

#[doc = "The flag `sample_rate`."]
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub const SAMPLE_RATE: ::flagstaff::FlagName = ::flagstaff::FlagName::new("sample_rate");

/// The values of the flags that have one for all users, as the file has them.
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = "generated")]
pub mod value {
    #[doc = "The value of the flag `max_upload_mb`."]
    pub const MAX_UPLOAD_MB: i64 = 50;

    #[doc = "The value of the flag `region`."]
    pub const REGION: &str = "eu-\"west\"";

    #[doc = "The value of the flag `sample_rate`."]
    pub const SAMPLE_RATE: f64 = 0.001;
}
