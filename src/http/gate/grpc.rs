//! The gRPC statuses that a closed gate can respond with.

use super::InvalidGate;

/// A gRPC status that is an error, for [`FlagGate::grpc_status`](super::FlagGate::grpc_status).
///
/// The numbers are those of the gRPC specification (`doc/statuscodes.md`), so a `tonic::Code`
/// converts by its number.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::GrpcStatus, FlagGate};
///
/// let gate = FlagGate::new("beta").grpc_status(GrpcStatus::PermissionDenied);
///
/// let same = GrpcStatus::try_from(7)?; // `tonic::Code::PermissionDenied as i32`
/// assert_eq!(same, GrpcStatus::PermissionDenied);
/// assert!(GrpcStatus::try_from(0).is_err()); // `tonic::Code::Ok as i32`
/// # Ok::<(), flagstaff::gate::InvalidGate>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrpcStatus {
    /// The call was cancelled.
    Cancelled = 1,
    /// An error that no other status fits.
    Unknown = 2,
    /// The client sent an invalid argument.
    InvalidArgument = 3,
    /// The deadline passed first.
    DeadlineExceeded = 4,
    /// There is no such entity.
    NotFound = 5,
    /// The entity exists already.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A quota is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// The call was aborted.
    Aborted = 10,
    /// The call went past the valid range.
    OutOfRange = 11,
    /// There is no such method: the status of a closed gate unless set.
    Unimplemented = 12,
    /// An invariant is broken.
    Internal = 13,
    /// The service is unavailable for now; clients try again.
    Unavailable = 14,
    /// Data is lost.
    DataLoss = 15,
    /// The caller is not authenticated.
    Unauthenticated = 16,
}

impl GrpcStatus {
    const ALL: [Self; 16] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];
}

impl TryFrom<i32> for GrpcStatus {
    type Error = InvalidGate;

    fn try_from(status: i32) -> Result<Self, InvalidGate> {
        let found = Self::ALL.into_iter().find(|&known| known as i32 == status);
        found.ok_or(InvalidGate::GrpcStatus)
    }
}
