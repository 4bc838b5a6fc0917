//! XenStore: the wire protocol and a blocking client.
