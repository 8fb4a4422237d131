// <sys/socket.h> on Linux.

export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const IPPROTO_TCP = 6;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
