#!/bin/sh
# boot.sh ROOT: become the first process of a machine of its own, with systemd, in namespaces that the caller made.
#
# The machine has this one's programs, and writes into memory only. Its network is a loopback. Nothing of it touches
# the real devices, settings or services: /sys and /proc/sys are read-only, and of all units only those run that a test
# asks for, and what these need.
set -eu
root=$1
overlay() { # FOLDER: what is written into it stays in memory
    mkdir -p "$root$1" "$root/.written$1" "$root/.work$1"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$root/.written$1,workdir=$root/.work$1" "$root$1"
}

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p dev etc/systemd/system old proc root run srv sys tmp var/lib/redis var/log var/cache
chmod 1777 tmp
ln -s usr/bin usr/sbin usr/lib usr/lib64 .
overlay /usr
overlay /var/lib/dpkg
for file in debian_version group ld.so.cache nsswitch.conf passwd shadow; do
    if [ -e "/etc/$file" ]; then cp -p "/etc/$file" etc/; fi
done
: >etc/machine-id

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in full null random tty urandom zero; do
    : >dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
chmod 1777 dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

# No unit of this machine's is wanted by anything there; nor is its policy of starting nothing.
rm -rf usr/lib/systemd/system/*.wants usr/sbin/policy-rc.d
cat >etc/systemd/system/machine.target <<UNIT
[Unit]
Requires=systemd-journald.socket
UNIT
cat >etc/systemd/system/redis-server.service <<UNIT
[Service]
ExecStart=redis-server --dir /var/lib/redis --save '' --appendonly yes --appendfsync always
UNIT

pivot_root . old
umount -l old
rmdir old
# As a machine has it: what is mounted for a unit, such as its credentials, is seen by all.
mount --make-rshared /
exec env -i container=machine PATH=/usr/bin:/usr/sbin /usr/lib/systemd/systemd \
    --system --unit=machine.target --log-target=journal --log-level=warning --show-status=no
