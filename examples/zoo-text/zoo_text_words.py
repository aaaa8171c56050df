"""Common words of five languages, written for this example and in the public domain. No word is in two lists."""

WORDS = {
    "english": """
        water tree house bread window morning evening night winter summer spring autumn friend mother father brother
        sister daughter child weather thunder lightning rain snow cloud shadow light darkness kitchen bedroom garden
        street bridge church school teacher student knowledge thought feeling happiness sadness anger laughter sleep
        dream breakfast dinner supper butter cheese apple cherry strawberry potato cabbage onion pepper sugar honey
        knife spoon bottle cupboard chair table mirror blanket pillow candle hammer needle thread clothes trousers
        shirt shoes gloves feather chicken sheep horse rabbit squirrel hedgehog swallow sparrow butterfly spider
        fish whale shark oak beech birch willow meadow mountain valley river stream beach island earth heaven
        sunshine moonlight yesterday tomorrow today always never sometimes often enough through though although
        whether beautiful healthy wealthy wise strong weak quick slow young old narrow broad heavy bright quiet loud
        sweet bitter sour answer question highway railway airport neighbour stranger soldier farmer fisherman
        shepherd blacksmith shoemaker weaver worthless careful thankful swimming running walking writing reading
        thinking
        """,
    "german": """
        wasser baum haus brot fenster morgen abend nacht sommer frühling herbst freund mutter vater bruder schwester
        tochter wetter donner blitz regen schnee wolke schatten licht dunkelheit küche schlafzimmer garten straße
        brücke kirche schule lehrer schüler wissen gedanke gefühl glück traurigkeit zorn gelächter schlaf traum
        frühstück mittagessen abendbrot käse apfel kirsche erdbeere kartoffel kohl zwiebel pfeffer zucker honig
        messer löffel gabel flasche schrank stuhl tisch spiegel decke kissen kerze nadel faden kleidung hose hemd
        schuhe handschuhe feder huhn schaf pferd kaninchen eichhörnchen igel schwalbe spatz schmetterling spinne
        fisch wal hecht eiche buche birke weide wiese berg tal fluss bach strand insel erde himmel sonnenschein
        mondlicht gestern heute immer niemals manchmal oft genug durch obwohl schön gesund reich weise stark schwach
        schnell langsam jung alt eng breit schwer hell ruhig laut süß sauer antwort frage autobahn eisenbahn
        flughafen nachbar fremder soldat bauer fischer schäfer schmied schuster weber wertlos vorsichtig dankbar
        schwimmen laufen gehen schreiben lesen denken geschichte zwischen
        """,
    "french": """
        eau arbre maison pain fenêtre matin soir nuit hiver été printemps automne ami mère père frère soeur fille
        enfant temps tonnerre éclair pluie neige nuage ombre lumière obscurité cuisine chambre jardin rue pont
        église école professeur élève savoir pensée sentiment bonheur tristesse colère rire sommeil rêve déjeuner
        dîner beurre fromage pomme cerise fraise chou oignon poivre sucre miel couteau cuillère fourchette bouteille
        armoire chaise miroir couverture oreiller bougie marteau aiguille fil vêtements pantalon chemise chaussures
        gants plume poulet mouton cheval lapin écureuil hérisson hirondelle moineau papillon araignée poisson
        baleine requin chêne hêtre bouleau saule prairie montagne vallée rivière ruisseau plage île terre ciel
        soleil lune hier aujourd'hui demain toujours jamais parfois souvent assez malgré beau sain riche sage fort
        faible rapide lent jeune vieux étroit large lourd clair tranquille bruyant doux amer aigre réponse autoroute
        aéroport voisin étranger guerrier paysan pêcheur berger forgeron cordonnier tisserand précieux prudent
        reconnaissant nager courir marcher écrire lire penser histoire entre quelque chose
        """,
    "italian": """
        acqua albero casa pane finestra mattina sera notte inverno estate primavera autunno amico madre padre
        fratello sorella figlia bambino tempo tuono fulmine pioggia neve nuvola ombra luce oscurità cucina camera
        giardino strada ponte chiesa scuola maestro studente sapere pensiero sentimento felicità tristezza rabbia
        risata sonno sogno colazione pranzo cena burro formaggio mela ciliegia fragola patata cavolo cipolla pepe
        zucchero miele coltello cucchiaio forchetta bottiglia armadio sedia tavolo specchio coperta cuscino candela
        martello ago filo vestiti pantaloni camicia scarpe guanti piuma pollo pecora cavallo coniglio scoiattolo
        riccio rondine passero farfalla ragno pesce balena squalo quercia faggio betulla salice prato montagna valle
        fiume ruscello spiaggia isola terra cielo sole luna ieri oggi domani sempre mai talvolta spesso abbastanza
        attraverso bello sano ricco saggio forte debole veloce lento giovane vecchio stretto largo pesante chiaro
        tranquillo rumoroso dolce amaro risposta domanda autostrada ferrovia aeroporto vicino straniero soldato
        contadino pescatore pastore fabbro calzolaio tessitore prezioso prudente nuotare correre camminare scrivere
        leggere pensare storia qualcosa
        """,
    "finnish": """
        vesi puu talo leipä ikkuna aamu ilta yö talvi kesä kevät syksy ystävä äiti isä veli sisko tytär lapsi sää
        ukkonen salama sade lumi pilvi varjo valo pimeys keittiö makuuhuone puutarha katu silta kirkko koulu
        opettaja oppilas tieto ajatus tunne onni suru viha nauru uni unelma aamiainen lounas päivällinen voi juusto
        omena kirsikka mansikka peruna kaali sipuli pippuri sokeri hunaja veitsi lusikka haarukka pullo kaappi tuoli
        pöytä peili peitto tyyny kynttilä vasara neula lanka vaatteet housut paita kengät käsineet höyhen kana
        lammas hevonen kani orava siili pääskynen varpunen perhonen hämähäkki kala valas hai tammi pyökki koivu paju
        niitty vuori laakso joki puro ranta saari maa taivas auringonpaiste kuutamo eilen tänään huomenna aina
        koskaan joskus usein tarpeeksi läpi vaikka kaunis terve rikas viisas vahva heikko nopea hidas nuori vanha
        kapea leveä raskas kirkas hiljainen äänekäs makea karvas hapan vastaus kysymys moottoritie rautatie
        lentokenttä naapuri muukalainen sotilas maanviljelijä kalastaja paimen seppä suutari kutoja arvokas
        varovainen kiitollinen uida juosta kävellä kirjoittaa lukea ajatella tarina välillä
        """,
}
