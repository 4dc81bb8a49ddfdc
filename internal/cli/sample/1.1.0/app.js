document.title += " – open until " + (new Date().getDay() === 0 ? "noon" : "eight");
