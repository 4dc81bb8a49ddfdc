package sealift

// MaxVersionsCounted is how many releases the server tells apart where it counts
// what devices have installed, the commonest first: an app has fewer that are in use,
// and devices may claim any.
const MaxVersionsCounted = 1000
