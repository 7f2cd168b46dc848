#!/bin/sh
# Proves that the tree needs nothing but a Debian 12: makes one in DIR with nothing installed (or uses the one that is there),
# copies the tree in as a plain folder, and runs a command in it, as root.
#
#   tests/fresh_debian.sh DIR [COMMAND...]        COMMAND is ./run test unless given
#
# Needs root, debootstrap and a Debian mirror. DIR is kept, to look at or to run again; remove it when done.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
chroot=$(cd "$1" && pwd)
shift
[ $# != 0 ] || set -- ./run test

if [ ! -e "$chroot/etc/debian_version" ]; then
    debootstrap --variant=minbase bookworm "$chroot" http://deb.debian.org/debian
fi

# This machine's way to Debian's packages.
cp /etc/resolv.conf /etc/hosts "$chroot/etc/"
cp -r /etc/apt/apt.conf.d "$chroot/etc/apt/"
rm -f "$chroot/etc/apt/sources.list"
for source in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    if grep -qs 'debian.org' "$source"; then cp "$source" "$chroot/etc/apt/${source#/etc/apt/}"; fi
done

rm -rf "$chroot/tandem"
mkdir "$chroot/tandem"
tar -C "$root" --exclude=./.git --exclude=./build -c . | tar -C "$chroot/tandem" -x

trap 'umount "$chroot/proc" "$chroot/dev"' EXIT
mount -t proc proc "$chroot/proc"
mount --bind /dev "$chroot/dev"
chroot "$chroot" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin JOBS="${JOBS:-$(nproc)}" \
    sh -c 'cd /tandem && exec "$@"' sh "$@"
