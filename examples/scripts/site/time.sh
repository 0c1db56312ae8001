# Prints the time in a city that the query names, as in time.sh?tokyo.
case $QUERY_STRING in
tokyo) TZ=JST-9 ;;
lima) TZ=PET5 ;;
*) TZ=UTC0 ;;
esac
export TZ
echo 'Content-Type: text/plain'
echo 'Cache-Control: no-store'
echo
date '+%H:%M %Z'
