# Scenarios that share an L1, one after the other, each on a host as after the installation.
# several.sh NAME…
BAD=0
for name in "$@"; do
    printf '\n--- %s\n' "$name"
    rm -rf /etc/parclose /var/lib/parclose /run/parclose /var/log/parclose.log
    bash "/share/job.d/$name.sh" || BAD=1
done
exit $BAD
