//! What an entry of a log tells of (`%ACCESS_LOG_TYPE%`, `AccessLogType`).

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal;)*) => {
        /// What an entry tells of.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum EntryKind {
            /// No log: a header's value, say.
            #[default]
            NotSet = 0,
            $($(#[$doc])* $kind = $number,)*
        }

        impl EntryKind {
            /// Envoy's word for it.
            pub fn name(self) -> &'static str {
                match self {
                    EntryKind::NotSet => "NotSet",
                    $(EntryKind::$kind => stringify!($kind),)*
                }
            }

            /// The one that has this number in protobuf.
            pub fn of_number(number: i32) -> Option<EntryKind> {
                match number {
                    0 => Some(EntryKind::NotSet),
                    $($number => Some(EntryKind::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// A connection has its upstream.
    TcpUpstreamConnected = 1;
    /// A connection goes on.
    TcpPeriodic = 2;
    /// The end of a connection.
    TcpConnectionEnd = 3;
    /// A request has come.
    DownstreamStart = 4;
    /// A request goes on.
    DownstreamPeriodic = 5;
    /// The end of a request.
    DownstreamEnd = 6;
    /// An attempt has its stream.
    UpstreamPoolReady = 7;
    /// An attempt goes on.
    UpstreamPeriodic = 8;
    /// The end of an attempt.
    UpstreamEnd = 9;
    /// A request has become a tunnel.
    DownstreamTunnelSuccessfullyEstablished = 10;
    /// Never, here: UDP is not proxied.
    UdpTunnelUpstreamConnected = 11;
    /// Likewise.
    UdpPeriodic = 12;
    /// Likewise.
    UdpSessionEnd = 13;
    /// A connection has come.
    TcpConnectionStart = 14;
}

impl EntryKind {
    /// It tells of a connection, and not of a request.
    pub fn is_of_connection(self) -> bool {
        matches!(
            self,
            EntryKind::TcpConnectionStart
                | EntryKind::TcpUpstreamConnected
                | EntryKind::TcpPeriodic
                | EntryKind::TcpConnectionEnd
        )
    }
}
